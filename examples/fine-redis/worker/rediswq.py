"""A work queue in Redis to which no items are added any more.

    job2                 the items that wait
    job2:processing      the items that are worked on
    job2:lease:<digest>  the session that works on an item; expires with its lease

The item itself is its name, so that no two items may be equal. An item whose lease has expired,
because its session died, stays where it is until a person moves it back.
"""

import hashlib
import uuid

from redis import Redis


class WorkQueue:
    """One session's view of the queue."""

    def __init__(self, url: str, name: str) -> None:
        self.session = str(uuid.uuid4())
        self._redis = Redis.from_url(url)
        self._waiting = name
        self._processing = f"{name}:processing"

    def is_empty(self) -> bool:
        """Return whether no item waits and none is in work."""
        with self._redis.pipeline(transaction=True) as both:
            both.llen(self._waiting).llen(self._processing)
            return not any(both.execute())

    def take(self, *, lease_seconds: int, wait_seconds: int) -> bytes | None:
        """Return an item and hold it for a while; None when none has come in the meantime."""
        item = self._redis.blmove(self._waiting, self._processing, wait_seconds, "LEFT", "RIGHT")
        if item is not None:
            self._redis.set(self._lease_of(item), self.session, ex=lease_seconds)
        return item

    def complete(self, item: bytes) -> None:
        """Settle an item that is done."""
        with self._redis.pipeline(transaction=True) as both:
            both.lrem(self._processing, 1, item).delete(self._lease_of(item))
            both.execute()

    def _lease_of(self, item: bytes) -> str:
        return f"{self._waiting}:lease:{hashlib.sha256(item).hexdigest()}"
