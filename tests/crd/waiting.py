"""Waits for what an API server or a process does in its own time."""

import time
from collections.abc import Callable


def wait_for(holds: Callable[[], bool], *, seconds: float, what: str = "this") -> None:
    """Wait until it holds; fail when that takes longer."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"{what} does not hold after {seconds:g} s"
        time.sleep(0.1)
