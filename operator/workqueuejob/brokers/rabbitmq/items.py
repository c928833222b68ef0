"""An item's history as the headers of its RabbitMQ message, and the headers of its copies. Pure.

    attempts   the header `x-wqj-attempts`, in which workers write the attempts; one more for an
               item that is redelivered while the broker has the boot id that the item carries
    lost       the item is redelivered like that, or the header `x-wqj-lost` says so; how many
               attempts were lost is in `x-wqj-lost-attempts`
    doubtful   the broker marks the item as redelivered, or once did

A mark of redelivery alone is no attempt. A broker that was killed marks all messages of a classic
queue, and a quorum queue marks messages that were only looked at, or on their way. From RabbitMQ
4.0 on, a queue passes the mark on with messages that expire in it, so the mark of a message from a
holding queue means nothing.

A copy keeps all properties and headers of the user, byte for byte, except those by which a broker
would treat it differently from the original: CC and BCC, user_id, the time to live, and traces of
the worker's own queues.
"""

import itertools
import os
from dataclasses import dataclass, replace
from typing import Any

from workqueuejob.brokers.broker import Delivery
from workqueuejob.brokers.rabbitmq.names import (
    ATTEMPTS_HEADER,
    BOOT_ID_HEADER,
    FAILURE_HEADER,
    HELD_HEADER,
    ID_HEADER,
    LOST_ATTEMPTS_HEADER,
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

_COUNT_HEADERS = frozenset({"x-delivery-count", "x-acquired-count"})
"""In which quorum queues count; the second from RabbitMQ 4.3 on."""

DEATHS_HEADER = "x-death"
PERSISTENT = 2

REASON_MAX_CHARACTERS = 4000
"""All headers of a message must fit into one frame, whose size the broker limits."""

RETURNS_FREE = 10
"""How often an item may come back without costing an attempt, where the boot id is unknown."""

ATTEMPTS_MAX = 2**31 - 1
"""The largest count that is read from a header, so that one more still fits into a header."""

_WORKER_ID = os.urandom(6).hex()
_NUMBERS = itertools.count(1)

_HELD = ".wqj-held-"
_OURS = (_HELD, ".wqj-retry-")
"""Parts of the names of holding queues and delay queues."""

_HISTORY = _COUNT_HEADERS | frozenset(
    {
        ATTEMPTS_HEADER,
        BOOT_ID_HEADER,
        FAILURE_HEADER,
        HELD_HEADER,
        ID_HEADER,
        LOST_ATTEMPTS_HEADER,
        LOST_HEADER,
        RETURNED_HEADER,
    }
)
_NOT_COPIED = (_HISTORY - {BOOT_ID_HEADER, FAILURE_HEADER, ID_HEADER}) | {"CC", "BCC"}


@dataclass(frozen=True, slots=True)
class ItemHistory:
    """The history of an item, as its message tells it.

    attempt: the number of this attempt, from 1.
    redelivered: whether a worker may have had the item before.
    lost: whether the attempt before this one ended without a word.
    lost_attempts: how many of the attempts before this one did, with those that returns cost.
    doubtful: whether a worker may have settled the item before.
    returns: how often the item came back for an unknown reason; at least 1 if it ever came back.
    written: the attempts before this one, without those that returns cost.
    last_failure: the reason of the last failed attempt; empty where none failed.
    """

    id: str
    attempt: int
    redelivered: bool
    lost: bool = False
    lost_attempts: int = 0
    doubtful: bool = False
    returns: int = 0
    written: int = 0
    last_failure: str = ""


def read_history(properties: Properties, *, redelivered: bool, boot_id: str = "") -> ItemHistory:
    """Return the history of a delivered item.

    redelivered: the broker's mark.
    boot_id: the broker's, needed only for a redelivered item; empty where it is unknown.
    """
    if not redelivered and not properties.has_headers:
        return ItemHistory(read_text(properties.message_id) or _new_id(), 1, redelivered=False)
    headers = properties.headers
    # A worker replaces a message from a holding queue before it works on the item, so this message
    # was not worked on.
    redelivered = redelivered and not comes_from_holding(properties)
    # It was delivered since that note, and the broker did not restart, so its worker has died.
    is_proved = redelivered and bool(boot_id) and read_text(headers.get(BOOT_ID_HEADER)) == boot_id
    written = _count(headers.get(ATTEMPTS_HEADER)) + int(is_proved)
    returns = _count(headers.get(RETURNED_HEADER))
    if redelivered:
        returns = max(returns, 1) if boot_id else returns + 1
    is_marked = bool(headers.get(LOST_HEADER))
    # Workers that count no lost attempts mark the last one.
    written_lost = max(_count(headers.get(LOST_ATTEMPTS_HEADER)), int(is_marked))
    costly_returns = max(returns - RETURNS_FREE, 0)
    return ItemHistory(
        id=read_text(properties.message_id) or read_text(headers.get(ID_HEADER)) or _new_id(),
        attempt=written + costly_returns + 1,
        redelivered=bool(redelivered or written or returns),
        lost=is_proved if redelivered else is_marked,
        lost_attempts=min(written_lost + int(is_proved), written) + costly_returns,
        doubtful=returns > 0,
        returns=returns,
        written=written,
        last_failure=read_text(headers.get(FAILURE_HEADER)),
    )


def comes_from_holding(properties: Properties) -> bool:
    """Return whether a message came from a holding queue, and no worker has replaced it yet."""
    if not properties.has_headers:
        return False
    deaths = split_array(properties.headers.find(DEATHS_HEADER)) or ()
    return any(_has_died_in(decode_field(death), _HELD) for death in deaths)


def read_own_headers(properties: Properties) -> Table:
    """Return the headers without the item's history, so that they are the same in each attempt."""
    if not properties.has_headers:
        return properties.headers
    return _forget_our_queues(properties.headers.without(_HISTORY))


def build_copy(
    properties: Properties,
    item: ItemHistory | Delivery,
    *,
    attempts: int,
    lost: bool = False,
    returns: int = 0,
    more: dict[str, Any] | None = None,
) -> Properties:
    """Return the properties of a copy of an item.

    item: the item, whose lost attempts are among those that the copy counts.
    attempts: how many attempts the copy counts.
    lost: whether the last of them was lost.
    returns: how often the item came back; at least 1 is written for a doubtful item.
    more: further headers.
    """
    kept = _forget_our_queues(properties.headers.without(_NOT_COPIED))
    added: dict[str, Any] = dict(more or {})
    if attempts:
        added[ATTEMPTS_HEADER] = attempts
    if lost_attempts := min(item.lost_attempts, attempts):
        added[LOST_ATTEMPTS_HEADER] = lost_attempts
    if lost:
        added[LOST_HEADER] = True
    if returns or item.doubtful:
        added[RETURNED_HEADER] = max(returns, 1)
    if not properties.message_id:
        added[ID_HEADER] = item.id
    headers = kept.with_fields({name: encode_field(value) for name, value in added.items()})
    # A time to live must not drop an item that was taken, and a broker refuses a user_id that is
    # not the publisher's.
    without = (EXPIRATION, USER_ID)
    return properties.replace(headers=headers, without=without, delivery_mode=PERSISTENT)


def build_returned(properties: Properties, item: ItemHistory, *, boot_id: str) -> Properties:
    """Return the properties of the copy that replaces an item that came back."""
    more = {BOOT_ID_HEADER: boot_id} if boot_id else {}
    # What the returns cost is read from their number again.
    costly_returns = item.attempt - 1 - item.written
    item = replace(item, lost_attempts=item.lost_attempts - costly_returns)
    return build_copy(
        properties, item, attempts=item.written, lost=item.lost, returns=item.returns, more=more
    )


def build_failed(properties: Properties, item: Delivery, *, reason: str) -> Properties:
    """Return the properties of an item whose present attempt has failed."""
    more = {FAILURE_HEADER: reason[:REASON_MAX_CHARACTERS]}
    return build_copy(properties, item, attempts=item.attempt, more=more)


def _forget_our_queues(headers: Table) -> Table:
    """Return the headers without the broker's notes about holding queues and delay queues."""
    deaths = split_array(headers.find(DEATHS_HEADER))
    if deaths is None:
        return headers
    kept = [death for death in deaths if not _has_died_in(decode_field(death), *_OURS)]
    if not kept:
        headers = headers.without((DEATHS_HEADER,))
    elif len(kept) < len(deaths):
        headers = headers.with_fields({DEATHS_HEADER: join_array(kept)})
    return headers.without(
        f"x-{which}-death-{field}"
        for which in ("first", "last")
        if _is_named(headers.get(f"x-{which}-death-queue"), *_OURS)
        for field in ("queue", "reason", "exchange")
    )


def _has_died_in(death: object, *parts: str) -> bool:
    # A producer may have written anything there.
    return isinstance(death, dict) and _is_named(death.get("queue"), *parts)


def _is_named(queue: object, *parts: str) -> bool:
    return isinstance(queue, str) and any(part in queue for part in parts)


def _count(value: object) -> int:
    # A producer may have written anything there; only a number counts.
    return min(max(value, 0), ATTEMPTS_MAX) if isinstance(value, int) else 0


def read_text(value: object) -> str:
    """Return a header as text; empty if there is none."""
    # A header that is no UTF-8 is decoded as bytes.
    return value.decode(errors="backslashreplace") if isinstance(value, bytes) else str(value or "")


def _new_id() -> str:
    # A counter, because random bytes for each item take a hundredth of a short item's time.
    return f"{_WORKER_ID}-{next(_NUMBERS)}"
