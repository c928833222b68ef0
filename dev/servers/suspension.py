"""Freezes servers that tests have started."""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def suspended(process: subprocess.Popen[bytes] | None) -> Iterator[None]:
    """Stop a process for the duration: it answers nothing, and closes nothing."""
    if process is None:
        raise RuntimeError("the server is not running")
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)
