"""Prints progress for people: one line a step, with its seconds, on standard error."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

HEARTBEAT_SECONDS = 10.0


def say(message: str) -> None:
    """Print a line on standard error, because standard output is for answers."""
    print(message, file=sys.stderr, flush=True)


@contextmanager
def step(
    title: str, *, expect: str | None = None, detail: Callable[[], str] | None = None
) -> Iterator[None]:
    """Print a line when the step ends, and every HEARTBEAT_SECONDS while it goes on.

    expect: how long it takes, printed at the start. detail: returns what it is doing.
    """
    started = time.monotonic()
    if expect is not None:
        say(f"   ...   {title} ({expect})")
    ended = threading.Event()

    def heartbeat() -> None:
        while not ended.wait(HEARTBEAT_SECONDS):
            doing = f": {detail()}" if detail is not None else ""
            say(f"{time.monotonic() - started:6.0f}s … {title}{doing}")

    watcher = threading.Thread(target=heartbeat, daemon=True)
    watcher.start()
    try:
        yield
    except BaseException:
        say(f"{time.monotonic() - started:7.1f}s  {title}: FAILED")
        raise
    finally:
        ended.set()
        watcher.join()
    say(f"{time.monotonic() - started:7.1f}s  {title}")
