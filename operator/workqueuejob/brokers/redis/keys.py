"""The names of the keys beside a user's list or stream, in the slot of the user's key. Pure.

    {job2}:wqj:leases     sorted set: item id -> when its lease ends, in ms of the server's time
    {job2}:wqj:delayed    sorted set: item id -> when it becomes ready again
    {job2}:wqj:tokens     hash: item id -> token of the claim that holds it
    {job2}:wqj:attempts   hash: item id -> attempts so far, the one that runs included; and with
                          lost: before the id, how many of them ended without a word
    {job2}:wqj:items      hash: item id -> body; only for lists, because streams keep their entries
    {job2}:wqj:run:UID    hash: the counts of a run's items, named as in ItemCounts

For a stream the consumer group is part of the name, as in `{orders}:wqj:leases:billing`.
"""

from dataclasses import dataclass

from workqueuejob.contract.dead_letters import in_slot_of


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
        """The KEYS of every script; the dead-letter target comes after them."""
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
    prefix = f"{in_slot_of(key)}:wqj"
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


def processing_key(key: str) -> str:
    """Return the key in which `rediswq` of Kubernetes' documents keeps items that are in work."""
    return f"{key}:processing"
