"""What operator and worker write down about a topic: where it ended, and how its items fared.

offsets    where a run begins or ends: the topic's id, and an offset for each partition
metadata   beside a committed offset: what is known of the item that comes next
client id  by which a group's members are told from strangers
"""

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from workqueuejob.contract.plain_json import read_json

_MARK = "wqj"
_VERSION = 1
_CLIENT_PREFIX = "wqj"


@dataclass(frozen=True, slots=True)
class LogOffsets:
    """An offset for each partition; for one that came later it is 0.

    topic_id: another one means that the topic was created anew, and that nothing here holds.
    offsets: by partition, from 0.
    """

    topic_id: str
    offsets: tuple[int, ...]

    def at(self, partition: int) -> int:
        """Return a partition's offset."""
        return self.offsets[partition] if partition < len(self.offsets) else 0

    @property
    def text(self) -> str:
        """The offsets alone, such as `1042,1040,0`."""
        return ",".join(map(str, self.offsets))

    @classmethod
    def read(cls, topic_id: str, text: str) -> "LogOffsets":
        """Return what `text` says; raise ValueError if it can't be read."""
        return cls(topic_id, tuple(int(offset) for offset in text.split(",") if offset))

    def write(self) -> str:
        """Return the compact form, such as `IUbsfe94QKSwMdTvRj3M/w:1042,1040,0`."""
        return f"{self.topic_id}:{self.text}"


def read_offsets(text: str) -> LogOffsets:
    """Return what `LogOffsets.write` wrote; raise ValueError otherwise."""
    topic_id, separator, offsets = text.partition(":")
    if not separator:
        raise ValueError(f"{text[:40]!r} is not a topic's id and an offset for each partition")
    return LogOffsets.read(topic_id, offsets)


@dataclass(frozen=True, slots=True)
class NextItem:
    """The item that comes next in a partition, as far as it has a history.

    attempts: how often it was begun, and not given back.
    is_held: whether the last attempt is not over, or nothing was heard of it again.
    due_at: seconds of the wall clock before which it rests; 0 is at once.
    """

    attempts: int = 0
    is_held: bool = False
    due_at: float = 0.0


FRESH = NextItem()


@lru_cache(maxsize=64)
def write_metadata(item: NextItem) -> str:
    """Return what stands beside a committed offset; nothing for an item without a history."""
    if item == FRESH:
        return ""
    said: dict[str, Any] = {_MARK: _VERSION, "attempts": item.attempts}
    if item.is_held:
        said["held"] = True
    if item.due_at:
        said["due"] = round(item.due_at, 3)
    return json.dumps(said, separators=(",", ":"))


def read_metadata(metadata: str | None) -> NextItem:
    """Return what `write_metadata` wrote; others' metadata tell nothing."""
    try:
        found: Any = read_json(metadata or "null")
    except ValueError:
        return FRESH
    if not isinstance(found, dict) or found.get(_MARK) != _VERSION:
        return FRESH
    attempts, due_at = found.get("attempts"), found.get("due", 0)
    if not isinstance(attempts, int) or not isinstance(due_at, int | float):
        return FRESH
    return NextItem(max(attempts, 0), is_held=found.get("held") is True, due_at=float(due_at))


def build_client_id(*, run: str, pod: str) -> str:
    """Return the name by which a worker is seen in its group."""
    return f"{_client_prefix(run)}{pod}"


def is_own_client(client_id: str, *, run: str) -> bool:
    """Whether a group's member is a worker of this run."""
    return client_id.startswith(_client_prefix(run))


def is_worker_client(client_id: str) -> bool:
    """Whether a group's member is a worker of any run."""
    return client_id.startswith(f"{_CLIENT_PREFIX}.")


def _client_prefix(run: str) -> str:
    return f"{_CLIENT_PREFIX}.{run or 'local'}."
