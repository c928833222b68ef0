"""What a worker has done so far, as it stands in its container's termination message.

It is rewritten after every item, because a message that is written before a SIGKILL survives it.

The report is JSON at the very beginning of the message, its numbers before its texts. What stands
behind it is not looked at: a command may have appended to the file since. What stands before it
makes the message unreadable: then it is a command's, or the end of a container's log, which the
kubelet takes where the file is empty and `terminationMessagePolicy` is FallbackToLogsOnError.

The kubelet keeps the last 4,096 bytes of the file, and of that the beginning where a pod has more
than three containers, which share 12 KiB. Keys are only ever added, so that operators and workers
of different versions read each other's reports.
"""

import json
import re
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

TEXT_MAX_BYTES = 1000
"""Of a note, and of what the command wrote, as they stand in JSON."""

_MARK = "wqj"
_VERSION = 1
_MOST = 10**9
"""More than a pod can settle: at a thousand items a second, eleven days. Millions of such reports
fit a sum of 64 bits."""

_LONGEST = 4096
"""The kubelet cuts a termination message after so many bytes."""

_NOTE_LENGTH = 1000

_CUT_IN_ITS_TEXTS = re.compile(r'(\{"wqj":1(?:,"[a-z_]+":(?:\d+|true))*),"(?:note|message)":"')


@dataclass(frozen=True, slots=True)
class ItemCounts:
    """Items and attempts, counted by whoever settled them.

    succeeded: items acknowledged after success.
    dead_lettered: items moved to the dead-letter target after their last attempt.
    discarded: the same, where there is no target (onExhausted: Discard).
    attempts_failed: attempts that ended in failure, the last ones included.
    attempts_lost: attempts of which nothing was heard again, found by who took the item next.
    released: items given back untouched or unfinished, which counts as no attempt.
    leases_lost: items that somebody else took over before they were settled here.
    uncertain: items that may be counted once too often, because a worker may have counted them
        before and the broker has forgotten it; or not at all, because no answer came.
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
        """Items that nobody will see again."""
        return self.succeeded + self.dead_lettered + self.discarded

    def plus(self, **more: int) -> "ItemCounts":
        """Return the counts with more of some, as in `counts.plus(succeeded=1)`."""
        return replace(self, **{name: getattr(self, name) + n for name, n in more.items()})


@dataclass(frozen=True, slots=True)
class Report:
    """What a termination message says.

    holding: whether the worker had an item in hand when it was written.
    stopping: whether it had been told to stop.
    note: why it ended, if it said so.
    """

    counts: ItemCounts
    holding: bool = False
    stopping: bool = False
    note: str | None = None


def write_report(
    counts: ItemCounts,
    *,
    holding: bool = False,
    stopping: bool = False,
    note: str | None = None,
    message: str | None = None,
) -> str:
    """Return the termination message: JSON in ASCII, of less than 2,500 bytes.

    note: why the worker ended, for the person who reads `kubectl describe pod`.
    message: what the command or program wrote to the file last.
    """
    said: dict[str, object] = {name: number for name, number in asdict(counts).items() if number}
    if holding:
        said["holding"] = True
    if stopping:
        said["stopping"] = True
    if note:
        said["note"] = _fit(note)
    if message:
        # Its end, as the kubelet keeps it.
        said["message"] = _fit(message[::-1])[::-1]
    return json.dumps({_MARK: _VERSION, **said}, separators=(",", ":"))


def read_report(message: str) -> Report | None:
    """Return what is in a termination message; None when it is not a worker's.

    A command that shares the container may write there too, so nothing in it is believed that a
    worker would not say.
    """
    if len(message) > _LONGEST:
        return None
    found = _decode(message)
    if found is None and (cut := _CUT_IN_ITS_TEXTS.match(message)):
        found = _decode(f"{cut[1]}}}")
    if not isinstance(found, dict) or found.get(_MARK) != _VERSION:
        return None
    known = {name: found.get(name, 0) for name in (f.name for f in fields(ItemCounts))}
    if not all(type(n) is int and 0 <= n <= _MOST for n in known.values()):
        return None
    note = found.get("note")
    return Report(
        ItemCounts(**known),
        holding=found.get("holding") is True,
        stopping=found.get("stopping") is True,
        note=_make_printable(note) if isinstance(note, str) else None,
    )


def _make_printable(note: str) -> str:
    """Return a note without what a terminal would obey, and not longer than a person reads."""
    shown = "".join(character if character.isprintable() else " " for character in note)
    return shown if len(shown) <= _NOTE_LENGTH else f"{shown[: _NOTE_LENGTH - 1]}…"


def _decode(message: str) -> Any:
    """Return the JSON that a message begins with, or None."""
    try:
        return json.JSONDecoder().raw_decode(message)[0]
    except (ValueError, RecursionError):
        return None


def _fit(text: str) -> str:
    """Return the beginning of a text: as much of it as its bytes in JSON have room for."""
    text = text[:TEXT_MAX_BYTES]
    while (excess := len(json.dumps(text)) - 2 - TEXT_MAX_BYTES) > 0:
        # A character takes twelve bytes at the most.
        text = text[: -(excess // 12 + 1)]
    return text
