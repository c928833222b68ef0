"""A stand-in for the program of Kubernetes' documents, in one file that runs inside the pod.

It behaves as described there: a list, a list of what is in work, a lease for each item, and a wait
of two seconds for work that may come. Its host and its list are written into it, and it looks at
one list after the other.
"""

import hashlib
import sys
import time
import uuid
from typing import Any

import redis

NAME = "job2"
PROCESSING = f"{NAME}:processing"
LEASE_SECONDS, WAIT_SECONDS, WORK_SECONDS = 10, 2, 3


def main() -> None:
    """Work until nothing waits and nobody works."""
    server: Any = redis.Redis("redis")
    session = str(uuid.uuid4())
    say(f"Worker with sessionID: {session}")
    say(f"Initial queue state: empty={is_empty(server)}")
    while not is_empty(server):
        taken: bytes | None = server.brpoplpush(NAME, PROCESSING, WAIT_SECONDS)
        if taken is None:
            say("Waiting for work")
        else:
            work_on(server, taken, session)
    say("Queue empty, exiting")


def work_on(server: Any, item: bytes, session: str) -> None:
    """Hold the item while it is worked on, and settle it."""
    lease = f"{NAME}:lease:{hashlib.sha224(item).hexdigest()}"
    server.set(lease, session, ex=LEASE_SECONDS)
    say(f"Working on {item.decode()}")
    time.sleep(WORK_SECONDS)
    server.lrem(PROCESSING, 0, item)
    server.delete(lease)


def is_empty(server: Any) -> bool:
    """Return whether both lists are empty."""
    return not server.llen(NAME) and not server.llen(PROCESSING)


def say(line: str) -> None:
    """Print a line."""
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    main()
