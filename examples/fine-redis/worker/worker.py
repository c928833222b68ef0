"""Takes one item after the other, works for a moment on each, and ends when none is left."""

import os
import time

from rediswq import WorkQueue

queue = WorkQueue(
    os.environ.get("BROKER_URL", "redis://redis:6379"), os.environ.get("QUEUE", "job2")
)
print(f"Worker with sessionID: {queue.session}")
print(f"Initial queue state: empty={queue.is_empty()}")
while not queue.is_empty():
    # None: others have the last items, and may yet give one back.
    if (item := queue.take(lease_seconds=10, wait_seconds=2)) is not None:
        print(f"Working on {item.decode()}")
        time.sleep(1)
        queue.complete(item)
print("Queue empty, exiting")
