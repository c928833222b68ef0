"""What a person sees while it works: one line a step, with its seconds, on standard error."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

HEARTBEAT_SECONDS = 10.0


def say(message: str) -> None:
    """Standard output is kept for answers."""
    print(message, file=sys.stderr, flush=True)


@contextmanager
def step(
    title: str, *, expect: str | None = None, detail: Callable[[], str] | None = None
) -> Iterator[None]:
    """Report a step when it ends; every ten seconds until then, that it is still going on.

    `expect` says beforehand how long it takes; `detail` is asked what it is doing.
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
