"""The keys beside a user's list or stream: all in the slot of the user's own key.

Redis Cluster hashes what stands in a key's first braces, or else the whole key. So `{job2}:dead`
lies where the plain `job2` lies, and a key with a hash tag of its own keeps it. (No tag can stand
for a key that has a } without being tagged itself: such a one is not for a cluster.)

    {job2}:wqj:leases     sorted set: item id -> when its lease ends, in ms of the server's time
    {job2}:wqj:delayed    sorted set: item id -> when it becomes ready again
    {job2}:wqj:tokens     hash: item id -> token of the claim that holds it
    {job2}:wqj:attempts   hash: item id -> attempts so far, the one that runs included
    {job2}:wqj:items      hash: item id -> payload; of lists, for streams keep their entries
    {job2}:wqj:run:UID    hash: what has been counted of a run's items, named as in ItemCounts

For a stream the consumer group is part of it, as in `{orders}:wqj:leases:billing`.
"""

import re
from dataclasses import dataclass

_HASH_TAG = re.compile(r"\{[^}]+\}")


@dataclass(frozen=True, slots=True)
class RedisKeys:
    """A queue's keys, in the order in which every script takes them."""

    queue: str
    leases: str
    delayed: str
    tokens: str
    attempts: str
    items: str
    counts: str

    @property
    def all(self) -> tuple[str, ...]:
        """KEYS of every script; the dead-letter target comes after them."""
        return (
            self.queue,
            self.leases,
            self.delayed,
            self.tokens,
            self.attempts,
            self.items,
            self.counts,
        )


def build_keys(key: str, *, consumer_group: str | None = None, run: str = "") -> RedisKeys:
    """Return the keys of a list or, with a consumer group, of a stream."""
    prefix = f"{_in_slot_of(key)}:wqj"
    suffix = "" if consumer_group is None else f":{consumer_group}"
    return RedisKeys(
        queue=key,
        leases=f"{prefix}:leases{suffix}",
        delayed=f"{prefix}:delayed{suffix}",
        tokens=f"{prefix}:tokens{suffix}",
        attempts=f"{prefix}:attempts{suffix}",
        items=f"{prefix}:items{suffix}",
        counts=f"{prefix}:run:{run}",
    )


def dead_key(key: str) -> str:
    """Return where items go after their last attempt, unless the user names another key."""
    return f"{_in_slot_of(key)}:dead"


def processing_key(key: str) -> str:
    """Return where the documents' `rediswq` keeps what is in work."""
    return f"{key}:processing"


def _in_slot_of(key: str) -> str:
    return key if _HASH_TAG.search(key) else f"{{{key}}}"
