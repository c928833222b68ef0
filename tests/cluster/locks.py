"""Locks between the processes of one test run."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def locked(path: Path, kind: int) -> Iterator[None]:
    """Hold a file's lock: `fcntl.LOCK_EX` alone, `fcntl.LOCK_SH` with others."""
    with path.open("w") as file:
        fcntl.flock(file, kind)
        yield
