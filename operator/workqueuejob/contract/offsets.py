"""The texts in which operator and worker keep a topic's offsets and its items' attempts. Pure.

offsets    where a run begins or ends: the topic's id, and an offset for each partition
metadata   stands beside a committed offset, and describes the item that comes next
client id  tells a run's members of a consumer group from other programs
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
class TopicOffsets:
    """An offset for each partition of a topic; 0 for a partition that was added later.

    topic_id: a topic that was deleted and created again has another id; then the offsets are void.
    offsets: by the partition's number, from 0.
    """

    topic_id: str
    offsets: tuple[int, ...]

    def at(self, partition: int) -> int:
        """Return a partition's offset."""
        return self.offsets[partition] if partition < len(self.offsets) else 0

    @property
    def text(self) -> str:
        """The offsets without the topic's id, such as `1042,1040,0`."""
        return ",".join(map(str, self.offsets))

    @classmethod
    def read(cls, topic_id: str, text: str) -> "TopicOffsets":
        """Return the offsets in a text like `1042,1040,0`; raise ValueError for any other text."""
        return cls(topic_id, tuple(int(offset) for offset in text.split(",") if offset))

    def write(self) -> str:
        """Return the compact form, such as `IUbsfe94QKSwMdTvRj3M/w:1042,1040,0`."""
        return f"{self.topic_id}:{self.text}"


def read_offsets(text: str) -> TopicOffsets:
    """Return the offsets that `TopicOffsets.write` wrote; raise ValueError for any other text."""
    topic_id, separator, offsets = text.partition(":")
    if not separator:
        raise ValueError(f"{text[:40]!r} is not a topic's id and an offset for each partition")
    return TopicOffsets.read(topic_id, offsets)


@dataclass(frozen=True, slots=True)
class NextItem:
    """The history of the item that comes next in a partition.

    attempts: how often the item was begun and not given back.
    is_held: whether the last attempt still runs, or ended without a word.
    lost: how many of them ended without a word; the last one counts once the next is begun.
    due_at: until when the item rests, in seconds of the wall clock; 0 where it does not rest.
    """

    attempts: int = 0
    is_held: bool = False
    due_at: float = 0.0
    lost: int = 0

    def begin(self) -> "NextItem":
        """Return the history once the next attempt is begun; one that is still held was lost."""
        return NextItem(self.attempts + 1, is_held=True, lost=self.lost + int(self.is_held))


FRESH = NextItem()


@lru_cache(maxsize=64)
def write_metadata(item: NextItem) -> str:
    """Return the metadata of a committed offset; empty for an item without a history.

    Such as `{"wqj":1,"attempts":2,"held":true}`.
    """
    if item == FRESH:
        return ""
    content: dict[str, Any] = {_MARK: _VERSION, "attempts": item.attempts}
    if item.is_held:
        content["held"] = True
    if item.lost:
        content["lost"] = item.lost
    if item.due_at:
        content["due"] = round(item.due_at, 3)
    return json.dumps(content, separators=(",", ":"))


def read_metadata(metadata: str | None) -> NextItem:
    """Return the item that `write_metadata` wrote; FRESH for the metadata of other programs."""
    try:
        content: Any = read_json(metadata or "null")
    except ValueError:
        return FRESH
    if not isinstance(content, dict) or content.get(_MARK) != _VERSION:
        return FRESH
    attempts, due_at = content.get("attempts"), content.get("due", 0)
    lost = content.get("lost", 0)
    if not (isinstance(attempts, int) and isinstance(lost, int)):
        return FRESH
    if not isinstance(due_at, int | float):
        return FRESH
    return NextItem(
        max(attempts, 0),
        is_held=content.get("held") is True,
        due_at=float(due_at),
        lost=min(max(lost, 0), max(attempts, 0)),
    )


def build_client_id(*, run: str, pod: str) -> str:
    """Return the client id of a worker in its group, such as `wqj.UID.POD`."""
    return f"{_client_prefix(run)}{pod}"


def is_own_client(client_id: str, *, run: str) -> bool:
    """Return whether a group's member is a worker of this run."""
    return client_id.startswith(_client_prefix(run))


def is_worker_client(client_id: str) -> bool:
    """Return whether a group's member is a worker of any run."""
    return client_id.startswith(f"{_CLIENT_PREFIX}.")


def _client_prefix(run: str) -> str:
    return f"{_CLIENT_PREFIX}.{run or 'local'}."
