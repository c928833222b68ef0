"""The format of a worker's report, which is its container's termination message. Pure.

The worker rewrites the message after every item, because a message that is written before a SIGKILL
survives it.

The report is JSON at the very beginning of the message, its numbers before its texts. Text behind
it is ignored, because a command may have appended to the file. Text before it makes the message no
report: then a command wrote it, or it is the end of a container's log, which the kubelet takes
where the file is empty and `terminationMessagePolicy` is FallbackToLogsOnError.

The kubelet keeps the last 4,096 bytes of the file. Where a pod has more than three containers, they
share 12 KiB, and the kubelet keeps the beginning of those bytes. Keys may be added but not removed,
so that operators and workers of different versions read each other's reports.
"""

import json
import re
from collections.abc import Collection
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from workqueuejob.contract.features import describe_lacking

TEXT_MAX_BYTES = 1000
"""How long a note, and the command's text, may be as JSON."""

HELD_MAX = 256
"""How many items a worker may have in hand; a larger number was not written by a worker."""

LACKS_MAX_BYTES = 150
"""How long the names of the features that a worker lacks may be."""

_MARK = "wqj"
_VERSION = 1
_READS_FEATURES = "features"
_COUNT_MAX = 10**12
"""More than a pod can settle: at a thousand items a second, thirty years. Millions of such reports
fit a sum of 64 bits."""

_MESSAGE_MAX_CHARACTERS = 4096
"""The kubelet cuts a termination message after so many bytes."""

_NOTE_MAX_CHARACTERS = 1000

_FEATURE = re.compile(r"[a-z0-9_.]+")
_CUT_IN_ITS_TEXTS = re.compile(
    r'(\{"wqj":1(?:,"[a-z_]+":(?:\d+|true))*),"(?:lacks|note|message)":"'
)


@dataclass(frozen=True, slots=True)
class ItemCounts:
    """Items and attempts, counted by the worker that settled them.

    succeeded: items acknowledged after success.
    dead_lettered: items moved to the dead-letter target after their last attempt.
    discarded: items dropped after their last attempt, because there is no dead-letter target
        (onExhausted: Discard).
    attempts_failed: attempts that ended in failure, the last ones included.
    attempts_lost: attempts that ended without a word; counted by the worker that took the item
        next.
    released: items given back untouched or unfinished, which counts as no attempt.
    leases_lost: items that another worker took over before they were settled here.
    uncertain: items that may be counted twice, because the broker forgot that a worker settled
        them; or not at all, because the broker did not answer.
    """

    succeeded: int = 0
    dead_lettered: int = 0
    discarded: int = 0
    attempts_failed: int = 0
    attempts_lost: int = 0
    released: int = 0
    leases_lost: int = 0
    uncertain: int = 0

    @property
    def settled(self) -> int:
        """Items that are settled for good: succeeded, dead-lettered or discarded."""
        return self.succeeded + self.dead_lettered + self.discarded

    def __add__(self, other: "ItemCounts") -> "ItemCounts":
        return self.plus(**asdict(other))

    def plus(self, **more: int) -> "ItemCounts":
        """Return the sum of these counts and some more, as in `counts.plus(succeeded=1)`."""
        return replace(self, **{name: getattr(self, name) + n for name, n in more.items()})


@dataclass(frozen=True, slots=True)
class Report:
    """The content of a termination message.

    held: how many items the worker had in hand when it wrote the message.
    stopping: whether a stop was requested before.
    note: why the worker waits or ended; None where it gave no reason.
    lacks: the features that the worker was asked for and does not know; None where it does not say.
    """

    counts: ItemCounts
    held: int = 0
    stopping: bool = False
    note: str | None = None
    lacks: tuple[str, ...] | None = None

    @property
    def holding(self) -> bool:
        """Whether the worker had an item in hand."""
        return self.held > 0


def write_report(
    counts: ItemCounts,
    *,
    held: int = 0,
    stopping: bool = False,
    lacks: Collection[str] | None = None,
    note: str | None = None,
    message: str | None = None,
) -> str:
    """Return the termination message: JSON in ASCII, of less than 2,500 bytes.

    lacks: the features that it does not know, which the note names, too; None if it was asked for
        none.
    note: why the worker waits or ended, for the person who reads `kubectl describe pod`.
    message: the text that the command or program wrote to the file last.
    """
    content: dict[str, object] = {name: count for name, count in asdict(counts).items() if count}
    if held:
        # Readers before `held` know only whether there is one.
        content["holding"] = True
    if held > 1:
        content["held"] = held
    if stopping:
        content["stopping"] = True
    if lacks is not None:
        content[_READS_FEATURES] = True
    if lacks:
        content["lacks"] = " ".join(lacks)[:LACKS_MAX_BYTES]
        note = "; ".join(filter(None, (describe_lacking(lacks), note)))
    if note:
        content["note"] = _fit(note)
    if message:
        # The end of it, because the kubelet keeps the end of a long file, too.
        content["message"] = _fit(message[::-1])[::-1]
    return json.dumps({_MARK: _VERSION, **content}, separators=(",", ":"))


def read_report(message: str) -> Report | None:
    """Return the report in a termination message; None when it is not a worker's.

    A command that shares the container may write to the same file, so a message with a count that
    no worker writes is no report, and the note is made printable.
    """
    if len(message) > _MESSAGE_MAX_CHARACTERS:
        return None
    content = _decode(message)
    if content is None and (cut := _CUT_IN_ITS_TEXTS.match(message)):
        content = _decode(f"{cut[1]}}}")
    if not isinstance(content, dict) or content.get(_MARK) != _VERSION:
        return None
    counts = {name: content.get(name, 0) for name in (f.name for f in fields(ItemCounts))}
    if not all(type(count) is int and 0 <= count <= _COUNT_MAX for count in counts.values()):
        return None
    note = content.get("note")
    return Report(
        ItemCounts(**counts),
        held=_read_held(content),
        stopping=content.get("stopping") is True,
        note=_make_printable(note) if isinstance(note, str) else None,
        lacks=_read_lacks(content),
    )


def _read_held(content: dict[str, Any]) -> int:
    if content.get("holding") is not True:
        return 0
    held = content.get("held", 1)
    return held if type(held) is int and 1 <= held <= HELD_MAX else 1


def _read_lacks(content: dict[str, Any]) -> tuple[str, ...] | None:
    if content.get(_READS_FEATURES) is not True:
        return None
    lacks = content.get("lacks", "")
    return tuple(_FEATURE.findall(lacks[:LACKS_MAX_BYTES])) if isinstance(lacks, str) else ()


def _make_printable(note: str) -> str:
    """Return a note of at most 1,000 characters, without those that a terminal would obey."""
    shown = "".join(character if character.isprintable() else " " for character in note)
    if len(shown) <= _NOTE_MAX_CHARACTERS:
        return shown
    return f"{shown[: _NOTE_MAX_CHARACTERS - 1]}…"


def _decode(message: str) -> Any:
    """Return the JSON that a message begins with, or None."""
    try:
        return json.JSONDecoder().raw_decode(message)[0]
    except (ValueError, RecursionError):
        return None


def _fit(text: str) -> str:
    """Return as much of a text's beginning as fits into TEXT_MAX_BYTES as JSON."""
    text = text[:TEXT_MAX_BYTES]
    while (excess := len(json.dumps(text)) - 2 - TEXT_MAX_BYTES) > 0:
        # A character takes at most twelve bytes.
        text = text[: -(excess // 12 + 1)]
    return text
