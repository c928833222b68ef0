"""Decides how long to wait after repeated failures. Pure."""


def double(first: float, failures: int, *, cap: float) -> float:
    """Return the first wait, doubled with each further failure up to the cap, in seconds.

    failures: how many there were in a row, from 1.
    """
    # The exponent is bounded, because failures may go on for months.
    return min(first * 2.0 ** min(failures - 1, 10), cap)
