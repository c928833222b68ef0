"""What a RabbitMQ message says of its item, and what a copy of it must say. Pure.

    attempts   the header `x-wqj-attempts`: what workers wrote down; and one more for an item that
               is redelivered in the same life of the broker in which it was noted to come back
    lost       that is so, or a copy says so
    doubtful   the broker marks it as redelivered, or once did

Redelivered alone is no attempt: a broker that was killed marks everything that was in a classic
queue, and a quorum queue counts what was only looked at or on its way.

A copy keeps every property and header of the user, but for what would make the broker treat it
otherwise than the original: CC and BCC, a user_id, a time to live, and traces of our own queues.
"""

import copy
import itertools
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pika import BasicProperties

from workqueuejob.protocol.rabbitmq import (
    ATTEMPTS_HEADER,
    DEAD_LETTER_PREFIX,
    FAILURE_HEADER,
    ID_HEADER,
    LIFE_HEADER,
    LOST_HEADER,
    RETURNED_HEADER,
)
from workqueuejob.worker.broker import Delivery

DELIVERY_COUNT_HEADER = "x-delivery-count"
DEATHS_HEADER = "x-death"
PERSISTENT = 2

REASON_MAX_CHARACTERS = 4000
"""A message's headers must fit one frame, whose size the broker limits."""

RETURNS_FREE = 10
"""So often may an item come back without costing an attempt where the broker's life is unknown."""

ATTEMPTS_MAX = 2**31 - 1
"""More than that nobody has made, and a header could not hold one more than its largest number."""

_WORKER_ID = os.urandom(6).hex()
_NUMBERS = itertools.count(1)

_NOT_COPIED = frozenset(
    {DELIVERY_COUNT_HEADER, ATTEMPTS_HEADER, LOST_HEADER, RETURNED_HEADER, "CC", "BCC"}
)


@dataclass(frozen=True, slots=True)
class Item:
    """What a message says.

    attempt: from 1, the present one included.
    lost: whether the attempt before this one began and was not heard of again.
    doubtful: whether a worker may have settled it before.
    returns: how often it came back while nobody could tell why; at least 1 if it ever came back.
    written: the attempts before this one, without those of so many returns.
    last_failure: why the last attempt that failed did, or nothing.
    """

    id: str
    attempt: int
    redelivered: bool
    lost: bool = False
    doubtful: bool = False
    returns: int = 0
    written: int = 0
    last_failure: str = ""


def read_item(properties: BasicProperties, *, redelivered: bool, life: str = "") -> Item:
    """Return what a delivery says of its item.

    life: of the broker, if it is known; asked for only of an item that is redelivered.
    """
    headers = properties.headers
    if not headers and not redelivered:
        return Item(_text(properties.message_id) or _new_id(), 1, redelivered=False)
    headers = headers or {}
    # Delivered since it was noted, and the broker has not died meanwhile: its worker has.
    is_proved = redelivered and bool(life) and _text(headers.get(LIFE_HEADER)) == life
    written = _count(headers.get(ATTEMPTS_HEADER)) + int(is_proved)
    returns = _count(headers.get(RETURNED_HEADER))
    if redelivered:
        returns = max(returns, 1) if life else returns + 1
    return Item(
        id=_text(properties.message_id) or _text(headers.get(ID_HEADER)) or _new_id(),
        attempt=written + max(returns - RETURNS_FREE, 0) + 1,
        redelivered=bool(redelivered or written or returns),
        lost=is_proved if redelivered else bool(headers.get(LOST_HEADER)),
        doubtful=returns > 0,
        returns=returns,
        written=written,
        last_failure=_text(headers.get(FAILURE_HEADER)),
    )


def build_copy(
    properties: BasicProperties,
    item: Item | Delivery,
    *,
    attempts: int,
    lost: bool = False,
    returns: int = 0,
    more: dict[str, Any] | None = None,
) -> BasicProperties:
    """Return the properties of a copy of an item, of which so many attempts have failed.

    returns: how often it came back; at least once if it is in doubt.
    """
    copied = copy.copy(properties)
    kept = {k: v for k, v in (properties.headers or {}).items() if k not in _NOT_COPIED}
    headers: dict[str, Any] = _make_writable(kept)
    _forget_our_queues(headers)
    if attempts:
        headers[ATTEMPTS_HEADER] = attempts
    if lost:
        headers[LOST_HEADER] = True
    if returns or item.doubtful:
        headers[RETURNED_HEADER] = max(returns, 1)
    if not properties.message_id:
        headers[ID_HEADER] = item.id
    copied.headers = {**headers, **(more or {})}
    copied.delivery_mode = PERSISTENT
    # An item that was taken once is not dropped by a time to live, and a broker refuses a
    # user_id that is not the publisher's.
    copied.expiration = None
    copied.user_id = None
    return copied


def build_returned(properties: BasicProperties, item: Item, *, life: str) -> BasicProperties:
    """Return the properties of an item that came back, with that noted in it."""
    more = {LIFE_HEADER: life} if life else {}
    return build_copy(
        properties, item, attempts=item.written, lost=item.lost, returns=item.returns, more=more
    )


def build_failed(properties: BasicProperties, item: Delivery, *, reason: str) -> BasicProperties:
    """Return the properties of an item whose present attempt has failed."""
    more = {FAILURE_HEADER: reason[:REASON_MAX_CHARACTERS]}
    return build_copy(properties, item, attempts=item.attempt, more=more)


def build_dead_letter(
    properties: BasicProperties,
    item: Delivery,
    *,
    reason: str,
    attempts: int,
    found: tuple[str, str],
) -> BasicProperties:
    """Return the properties of a dead letter, which tells so many attempts.

    It carries no count that we would read: who moves it back to its queue wants it tried anew.

    found: the queue and the pod where it failed.
    """
    queue, pod = found
    said = {
        "reason": reason[:REASON_MAX_CHARACTERS],
        "attempts": attempts,
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "pod": pod,
        "queue": queue,
    }
    more = {f"{DEAD_LETTER_PREFIX}{name}": value for name, value in said.items()}
    dead = build_copy(properties, item, attempts=0, more=more)
    for header in (FAILURE_HEADER, RETURNED_HEADER, LIFE_HEADER):
        dead.headers.pop(header, None)
    return dead


def _make_writable(value: Any) -> Any:
    """Return a header in which text stands for integers that AMQP has no room for.

    pika reads a large float as one.
    """
    if isinstance(value, dict):
        return {key: _make_writable(below) for key, below in value.items()}
    if isinstance(value, list):
        return [_make_writable(below) for below in value]
    is_too_large = isinstance(value, int) and not -(2**63) <= value < 2**63
    return str(value) if is_too_large else value


def _forget_our_queues(headers: dict[str, Any]) -> None:
    """Remove the broker's note that the item came back from a queue of ours."""
    deaths = headers.get(DEATHS_HEADER)
    if not isinstance(deaths, list):
        return
    # A producer may have written anything there.
    kept = [one for one in deaths if not (isinstance(one, dict) and _is_ours(one.get("queue")))]
    headers[DEATHS_HEADER] = kept
    if not kept:
        del headers[DEATHS_HEADER]
    for which in ("first", "last"):
        if _is_ours(headers.get(f"x-{which}-death-queue")):
            for what in ("queue", "reason", "exchange"):
                headers.pop(f"x-{which}-death-{what}", None)


def _is_ours(queue: object) -> bool:
    return isinstance(queue, str) and (".wqj-retry-" in queue or ".wqj-held-" in queue)


def _count(value: object) -> int:
    # Whatever else a producer wrote there counts nothing.
    return min(max(value, 0), ATTEMPTS_MAX) if isinstance(value, int) else 0


def _text(value: object) -> str:
    # What is no UTF-8 comes as bytes.
    return value.decode(errors="backslashreplace") if isinstance(value, bytes) else str(value or "")


def _new_id() -> str:
    # Asking for random bytes once an item is a hundredth of a short item's time.
    return f"{_WORKER_ID}-{next(_NUMBERS)}"
