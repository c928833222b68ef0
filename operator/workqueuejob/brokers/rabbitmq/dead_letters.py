"""Dead letters at RabbitMQ: what they say, and how they get to their queue.

All headers of a message must fit into one frame. An item whose headers fill it leaves no room for
the reason, so its letter goes without its largest headers, and names them.
"""

from datetime import UTC, datetime

from workqueuejob.brokers.broker import Delivery
from workqueuejob.brokers.rabbitmq.consumer import Handle
from workqueuejob.brokers.rabbitmq.items import (
    REASON_MAX_CHARACTERS,
    build_copy,
    read_text,
)
from workqueuejob.brokers.rabbitmq.names import (
    BOOT_ID_HEADER,
    DEAD_LETTER_PREFIX,
    FAILURE_HEADER,
    RETURNED_HEADER,
)
from workqueuejob.brokers.rabbitmq.properties import Properties
from workqueuejob.brokers.rabbitmq.publisher import Refused, Unroutable
from workqueuejob.brokers.rabbitmq.session import Session
from workqueuejob.brokers.rabbitmq.tables import Table, encode_field
from workqueuejob.errors import DeadLetterTargetMissing, HeadersTooLarge

LEFT_OUT_HEADER = f"{DEAD_LETTER_PREFIX}left-out"
LEFT_OUT_MAX_CHARACTERS = 200
_LETTERS = DEAD_LETTER_PREFIX.encode()


def build_dead_letter(
    properties: Properties,
    item: Delivery,
    *,
    reason: str,
    attempts: int,
    origin: tuple[str, str],
) -> Properties:
    """Return the properties of a dead letter.

    It carries no header that a worker counts, so that an item that a user moves back to its queue
    has all its attempts again.

    attempts: how many were made, for the reader of the letter.
    origin: the queue, and the pod of the last attempt.
    """
    queue, pod = origin
    fields = {
        "reason": reason[:REASON_MAX_CHARACTERS],
        "attempts": attempts,
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "pod": pod,
        "queue": queue,
    }
    more = {f"{DEAD_LETTER_PREFIX}{name}": value for name, value in fields.items()}
    dead = build_copy(properties, item, attempts=0, more=more)
    headers = dead.headers.without((FAILURE_HEADER, RETURNED_HEADER, BOOT_ID_HEADER))
    return dead.replace(headers=headers)


def move_to_dead(session: Session, handle: Handle, dead: Properties, *, target: str) -> None:
    """Move an item to the dead-letter queue, with as many of its headers as fit.

    Raises DeadLetterTargetMissing when the queue does not take it; then the item is still held.
    """
    letter: Properties | None = dead
    while letter is not None:
        try:
            session.move(handle, target, letter)
        except HeadersTooLarge:
            letter = leave_out_largest(letter)
        except Unroutable:
            raise _missing(session, target, "not found", "create it") from None
        except Refused:
            raise _missing(session, target, "takes no items", "make room in it") from None
        else:
            return
    raise _missing(session, target, "takes no item with a reason", "raise the broker's frame_max")


def leave_out_largest(dead: Properties) -> Properties | None:
    """Return a dead letter without its largest header, whose name another header keeps.

    None if no header of the item is left.
    """
    headers = dead.headers
    own = [(name, field) for name, field in headers.fields if not name.startswith(_LETTERS)]
    if not own:
        if not headers.rest:
            return None
        return dead.replace(headers=Table(headers.fields))
    name, _ = max(own, key=lambda each: len(each[1]))
    left_out = (read_text(headers.get(LEFT_OUT_HEADER)), name.decode(errors="backslashreplace"))
    named = ", ".join(filter(None, left_out))[:LEFT_OUT_MAX_CHARACTERS]
    kept = Table(tuple(each for each in headers.fields if each[0] != name), headers.rest)
    return dead.replace(headers=kept.with_fields({LEFT_OUT_HEADER: encode_field(named)}))


def _missing(session: Session, target: str, fault: str, remedy: str) -> DeadLetterTargetMissing:
    return DeadLetterTargetMissing(
        f"dead-letter queue {target!r} {fault} {session.connection.where}; {remedy}, or correct "
        "spec.retry.deadLetter"
    )
