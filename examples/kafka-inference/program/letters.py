"""The images: half of them to learn from, and half as the postcodes of letters."""

from typing import Any

from sklearn.datasets import load_digits

LETTERS = 180
DIGITS_OF_A_POSTCODE = 5


def load_halves() -> tuple[Any, Any]:
    """Return images of 8 by 8 pixels and their digits: those to learn from, and those to read."""
    images, digits = load_digits(return_X_y=True)
    known = len(images) - LETTERS * DIGITS_OF_A_POSTCODE
    return (images[:known], digits[:known]), (images[known:], digits[known:])
