"""Trains a classifier on the first half of the handwritten digits that come with scikit-learn."""

import joblib
from letters import load_halves
from sklearn.svm import SVC

(known, known_digits), (unknown, unknown_digits) = load_halves()
model = SVC(gamma=0.001).fit(known, known_digits)
print(f"{model.score(unknown, unknown_digits):.1%} of the other half are read right")
joblib.dump(model, "/app/model.joblib")
