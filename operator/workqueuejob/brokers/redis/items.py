"""Items as elements of lists and entries of streams, and their dead letters. Pure.

list     the body is the element; the dead letter is JSON with the body as text or in Base64
stream   the body is the entry's only value, or JSON of its fields, which are its headers as well;
         the dead letter is an entry with the same fields and further ones that begin with wqj-
"""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from workqueuejob.brokers.broker import Delivery
from workqueuejob.brokers.envelope import BARE, CONTENT_TYPE, Envelope, find_text, read_time

Entry = bytes | list[bytes]
"""A list's element, or a stream's fields and values, alternating."""

FIELD_PREFIX = "wqj-"


@dataclass(slots=True)
class Claim:
    """The worker's record of a lease; the `handle` of a Delivery.

    id: of the item; a stream's entry has the id that the server or its producer gave it.
    token: of the claim that took the item.
    attempt: the number of this attempt, as the server counts.
    begun: whether the attempt counts already; that of a fetched item counts when it is taken.
    held_until: on the worker's clock; before that the server gives the item to no other worker.
    lost: whether another worker holds the item, or settled it.
    unanswered: whether a settling step was sent, and no answer came.
    """

    id: str
    token: str
    entry: Entry
    attempt: int
    begun: bool
    held_until: float
    lost: bool = False
    unanswered: bool = False

    def read_envelope(self) -> Envelope:
        """Return an entry's fields and id; nothing of a list's element, which is a body alone."""
        return BARE if isinstance(self.entry, bytes) else _read_entry(self.id, self.entry)


def read_claimed(claimed: list[Any], token: str, held_until: float) -> Iterator[Delivery]:
    """Return the items of a claim's answer; the first is begun, the others are only fetched."""
    begun = True
    for item, entry, *history in claimed:
        # Most items come without a history, because no worker had them before.
        attempt, redelivered, lost, gone, lost_attempts = history or (1, 0, 0, 0, 0)
        name = item.decode()
        claim = Claim(name, token, [] if gone else entry, attempt, begun, held_until)
        begun = False
        yield Delivery(
            name,
            b"" if gone else read_body(entry),
            attempt,
            bool(redelivered),
            bool(lost),
            lost_attempts,
            claim,
            gone=bool(gone),
        )


def read_body(entry: Entry) -> bytes:
    """Return the body of an item; in JSON, bytes that are no UTF-8 become lone surrogates."""
    if isinstance(entry, bytes):
        return entry
    if len(entry) == 2:
        return entry[1]
    texts = [piece.decode(errors="surrogateescape") for piece in entry]
    return json.dumps(dict(zip(texts[::2], texts[1::2], strict=True))).encode()


def build_dead_letter(
    delivery: Delivery, entry: Entry, *, reason: str, pod: str
) -> list[bytes | str]:
    """Return the arguments that add a dead letter: one element, or fields and values."""
    fields: dict[str, str | int] = {
        "id": delivery.id,
        "reason": reason,
        "attempts": delivery.attempt,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "pod": pod,
    }
    if isinstance(entry, bytes):
        return [json.dumps(_payload(entry) | fields, ensure_ascii=False)]
    added = [text for name, value in fields.items() for text in (FIELD_PREFIX + name, str(value))]
    return [*entry, *added]


def _payload(body: bytes) -> dict[str, str | int]:
    try:
        return {"item": body.decode()}
    except UnicodeDecodeError:
        return {"itemBase64": base64.b64encode(body).decode("ascii")}


def _read_entry(entry_id: str, entry: list[bytes]) -> Envelope:
    names = [name.decode(errors="backslashreplace") for name in entry[::2]]
    fields = tuple(zip(names, entry[1::2], strict=True))
    headers = dict(fields)
    milliseconds, _, _ = entry_id.partition("-")
    return Envelope(
        headers=headers,
        properties={"id": entry_id, "fields": fields},
        content_type=find_text(headers, CONTENT_TYPE),
        # Up to 20 digits, where the producer chose the id.
        enqueued_at=read_time(int(milliseconds) / 1000) if milliseconds.isdecimal() else None,
    )
