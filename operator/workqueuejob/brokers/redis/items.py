"""What a list's element and a stream's entry look like to a worker, held and dead. Pure.

list     the element is the body; its dead letter is JSON, with the body as text or in Base64
stream   the body is the entry's one value, or else JSON of its fields; its dead letter is an
         entry with the same fields and those that begin with wqj-
"""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from workqueuejob.brokers.broker import Delivery

Entry = bytes | list[bytes]
"""A list's element, or a stream's fields and values in turn."""

FIELD_PREFIX = "wqj-"


@dataclass(slots=True)
class Claim:
    """Our side of a lease: what a Delivery's handle is.

    attempt: which one this is, at the server.
    begun: whether the attempt counts already; what is only fetched counts when it is taken.
    held_until: on our clock; before this the server gives the item to nobody else.
    unanswered: whether a settling step was sent, and nobody knows what became of it.
    """

    token: str
    entry: Entry
    attempt: int
    begun: bool
    held_until: float
    lost: bool = False
    unanswered: bool = False


def read_claimed(found: list[Any], token: str, held_until: float) -> Iterator[Delivery]:
    """Return what a claim brought: the first is begun, any others are fetched only."""
    begun = True
    for item, entry, *history in found:
        # Most items come without a history, for nobody had them.
        attempt, redelivered, lost = history or (1, 0, 0)
        claim = Claim(token, entry, attempt, begun, held_until)
        begun = False
        yield Delivery(
            item.decode(), read_body(entry), attempt, bool(redelivered), bool(lost), claim
        )


def read_body(entry: Entry) -> bytes:
    """Return what a worker is given; bytes that are no UTF-8 stand as lone surrogates in JSON."""
    if isinstance(entry, bytes):
        return entry
    if len(entry) == 2:
        return entry[1]
    texts = [piece.decode(errors="surrogateescape") for piece in entry]
    return json.dumps(dict(zip(texts[::2], texts[1::2], strict=True))).encode()


def build_dead_letter(
    delivery: Delivery, entry: Entry, *, reason: str, pod: str
) -> list[bytes | str]:
    """Return what is added to the dead-letter target: one element, or fields and values."""
    said: dict[str, str | int] = {
        "id": delivery.id,
        "reason": reason,
        "attempts": delivery.attempt,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "pod": pod,
    }
    if isinstance(entry, bytes):
        return [json.dumps(_payload(entry) | said, ensure_ascii=False)]
    added = [text for name, value in said.items() for text in (FIELD_PREFIX + name, str(value))]
    return [*entry, *added]


def _payload(body: bytes) -> dict[str, str | int]:
    try:
        return {"item": body.decode()}
    except UnicodeDecodeError:
        return {"itemBase64": base64.b64encode(body).decode("ascii")}
