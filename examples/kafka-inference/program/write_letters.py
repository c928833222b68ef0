"""Writes letters to the topic `digits`: five messages each, the letter being the key.

Its part of them, by the index of its pod in an Indexed Job.
"""

import json
import os

from confluent_kafka import Producer
from letters import DIGITS_OF_A_POSTCODE, LETTERS, load_halves

TOPIC = "digits"
PART, PARTS = int(os.environ["JOB_COMPLETION_INDEX"]), int(os.environ["PARTS"])

_, (images, digits) = load_halves()
producer = Producer({"bootstrap.servers": os.environ["KAFKA"], "enable.idempotence": True})
undelivered = []
for letter in range(PART, LETTERS, PARTS):
    name, first = f"letter-{letter:03}", letter * DIGITS_OF_A_POSTCODE
    for index in range(first, first + DIGITS_OF_A_POSTCODE):
        sample = {
            "letter": name,
            "pixels": images[index].astype(int).tolist(),
            "written": int(digits[index]),
        }
        producer.produce(
            TOPIC,
            key=name,
            value=json.dumps(sample),
            on_delivery=lambda error, _message: error and undelivered.append(error),
        )
producer.flush()
if undelivered:
    raise SystemExit(f"{len(undelivered)} messages were not delivered: {undelivered[0]}")
