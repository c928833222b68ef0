"""What a RabbitMQ message says of its item, and what a copy of it must say. Pure.

    attempts   the header `x-wqj-attempts`: what workers wrote down; and one more for an item that
               is redelivered in the same life of the broker in which it was noted to come back
    lost       that is so, or a copy says so
    doubtful   the broker marks it as redelivered, or once did

Redelivered alone is no attempt: a broker that was killed marks everything that was in a classic
queue, and a quorum queue counts what was only looked at or on its way. From RabbitMQ 4.0 on it
hands the mark on with what expires in it, so of what comes from a holding queue it says nothing.

A copy keeps every property and header of the user, byte for byte, but for what would make a broker
treat it otherwise than the original: CC and BCC, a user_id, a time to live, and traces of our own
queues.
"""

import itertools
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from workqueuejob.brokers.broker import Delivery
from workqueuejob.brokers.rabbitmq.names import (
    ATTEMPTS_HEADER,
    BOOT_ID_HEADER,
    DEAD_LETTER_PREFIX,
    FAILURE_HEADER,
    HELD_HEADER,
    ID_HEADER,
    LOST_HEADER,
    RETURNED_HEADER,
)
from workqueuejob.brokers.rabbitmq.properties import EXPIRATION, USER_ID, Properties
from workqueuejob.brokers.rabbitmq.tables import (
    Table,
    decode_field,
    encode_field,
    join_array,
    split_array,
)

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

_HELD = ".wqj-held-"
_OURS = (_HELD, ".wqj-retry-")
"""What the names of our queues have in them."""

_NOT_COPIED = frozenset(
    {DELIVERY_COUNT_HEADER, ATTEMPTS_HEADER, LOST_HEADER, RETURNED_HEADER, HELD_HEADER, "CC", "BCC"}
)


@dataclass(frozen=True, slots=True)
class ItemHistory:
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


def read_history(properties: Properties, *, redelivered: bool, boot_id: str = "") -> ItemHistory:
    """Return what a delivery says of its item.

    boot_id: of the broker, if it is known; asked for only of an item that is redelivered.
    """
    if not redelivered and not properties.has_headers:
        return ItemHistory(_text(properties.message_id) or _new_id(), 1, redelivered=False)
    headers = properties.headers
    # What came from there is noted before anybody begins with it, so it was not begun since.
    redelivered = redelivered and not comes_from_holding(properties)
    # Delivered since it was noted, and the broker has not died meanwhile: its worker has.
    is_proved = redelivered and bool(boot_id) and _text(headers.get(BOOT_ID_HEADER)) == boot_id
    written = _count(headers.get(ATTEMPTS_HEADER)) + int(is_proved)
    returns = _count(headers.get(RETURNED_HEADER))
    if redelivered:
        returns = max(returns, 1) if boot_id else returns + 1
    return ItemHistory(
        id=_text(properties.message_id) or _text(headers.get(ID_HEADER)) or _new_id(),
        attempt=written + max(returns - RETURNS_FREE, 0) + 1,
        redelivered=bool(redelivered or written or returns),
        lost=is_proved if redelivered else bool(headers.get(LOST_HEADER)),
        doubtful=returns > 0,
        returns=returns,
        written=written,
        last_failure=_text(headers.get(FAILURE_HEADER)),
    )


def comes_from_holding(properties: Properties) -> bool:
    """Whether an item has left a worker's holding queue, and that is not noted in it yet."""
    if not properties.has_headers:
        return False
    deaths = split_array(properties.headers.find(DEATHS_HEADER)) or ()
    return any(_tells_of(decode_field(death), _HELD) for death in deaths)


def build_copy(
    properties: Properties,
    item: ItemHistory | Delivery,
    *,
    attempts: int,
    lost: bool = False,
    returns: int = 0,
    more: dict[str, Any] | None = None,
) -> Properties:
    """Return the properties of a copy of an item, of which so many attempts have failed.

    returns: how often it came back; at least once if it is in doubt.
    """
    kept = _forget_our_queues(properties.headers.without(_NOT_COPIED))
    ours: dict[str, Any] = dict(more or {})
    if attempts:
        ours[ATTEMPTS_HEADER] = attempts
    if lost:
        ours[LOST_HEADER] = True
    if returns or item.doubtful:
        ours[RETURNED_HEADER] = max(returns, 1)
    if not properties.message_id:
        ours[ID_HEADER] = item.id
    headers = kept.with_fields({name: encode_field(value) for name, value in ours.items()})
    # An item that was taken once is not dropped by a time to live, and a broker refuses a
    # user_id that is not the publisher's.
    without = (EXPIRATION, USER_ID)
    return properties.replace(headers=headers, without=without, delivery_mode=PERSISTENT)


def build_returned(properties: Properties, item: ItemHistory, *, boot_id: str) -> Properties:
    """Return the properties of an item that came back, with that noted in it."""
    more = {BOOT_ID_HEADER: boot_id} if boot_id else {}
    return build_copy(
        properties, item, attempts=item.written, lost=item.lost, returns=item.returns, more=more
    )


def build_failed(properties: Properties, item: Delivery, *, reason: str) -> Properties:
    """Return the properties of an item whose present attempt has failed."""
    more = {FAILURE_HEADER: reason[:REASON_MAX_CHARACTERS]}
    return build_copy(properties, item, attempts=item.attempt, more=more)


def build_dead_letter(
    properties: Properties,
    item: Delivery,
    *,
    reason: str,
    attempts: int,
    found: tuple[str, str],
) -> Properties:
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
    headers = dead.headers.without((FAILURE_HEADER, RETURNED_HEADER, BOOT_ID_HEADER))
    return dead.replace(headers=headers, without=(), delivery_mode=PERSISTENT)


def _forget_our_queues(headers: Table) -> Table:
    """Return the headers without the broker's note that the item came back from a queue of ours."""
    deaths = split_array(headers.find(DEATHS_HEADER))
    if deaths is None:
        return headers
    theirs = [death for death in deaths if not _tells_of(decode_field(death), *_OURS)]
    if not theirs:
        headers = headers.without((DEATHS_HEADER,))
    elif len(theirs) < len(deaths):
        headers = headers.with_fields({DEATHS_HEADER: join_array(theirs)})
    return headers.without(
        f"x-{which}-death-{what}"
        for which in ("first", "last")
        if _is_named(headers.get(f"x-{which}-death-queue"), *_OURS)
        for what in ("queue", "reason", "exchange")
    )


def _tells_of(death: object, *parts: str) -> bool:
    # A producer may have written anything there.
    return isinstance(death, dict) and _is_named(death.get("queue"), *parts)


def _is_named(queue: object, *parts: str) -> bool:
    return isinstance(queue, str) and any(part in queue for part in parts)


def _count(value: object) -> int:
    # Whatever else a producer wrote there counts nothing.
    return min(max(value, 0), ATTEMPTS_MAX) if isinstance(value, int) else 0


def _text(value: object) -> str:
    # What is no UTF-8 comes as bytes.
    return value.decode(errors="backslashreplace") if isinstance(value, bytes) else str(value or "")


def _new_id() -> str:
    # Asking for random bytes once an item is a hundredth of a short item's time.
    return f"{_WORKER_ID}-{next(_NUMBERS)}"
