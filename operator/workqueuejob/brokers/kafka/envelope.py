"""An item's envelope as the key, headers and timestamp of its Kafka record."""

from typing import Any

from confluent_kafka import TIMESTAMP_CREATE_TIME, TIMESTAMP_LOG_APPEND_TIME, Message

from workqueuejob.brokers.envelope import CONTENT_TYPE, Envelope, find_text, read_time

Headers = list[tuple[str, bytes | None]]
"""In their order; names may be repeated, and None is not an empty value."""

_UNREADABLE: Any = []
"""Takes the place of headers that can't be read."""

_TIMESTAMP_TYPES = {
    TIMESTAMP_CREATE_TIME: "CreateTime",
    TIMESTAMP_LOG_APPEND_TIME: "LogAppendTime",
}


def read_envelope(message: Message) -> Envelope:
    """Return the envelope of a record.

    Of headers with one name the last one counts, as for Kafka's own clients; the property `headers`
    has all of them, and none where they can't be read. A record without a value is a tombstone.
    """
    pairs = read_headers(message) or []
    headers = dict(pairs)
    kind, milliseconds = message.timestamp()
    timestamp_type = _TIMESTAMP_TYPES.get(kind)
    is_known = timestamp_type is not None
    key: Any = message.key()
    return Envelope(
        headers=headers,
        properties={
            "topic": message.topic(),
            "partition": message.partition(),
            "offset": message.offset(),
            "timestamp": milliseconds if is_known else None,
            "timestamp_type": timestamp_type,
            "headers": tuple(pairs),
        },
        key=key,
        content_type=find_text(headers, CONTENT_TYPE),
        enqueued_at=read_time(milliseconds / 1000) if is_known else None,
        is_tombstone=message.value() is None,
    )


def read_headers(message: Message) -> Headers | None:
    """Return the headers of a record; None if they can't be read, because a name is no UTF-8."""
    try:
        headers: Any = message.headers()
    except (SystemError, UnicodeDecodeError):
        # The client raises the first because of the second. It keeps the list that it had begun:
        # asked again it would return that, and who reads it ends the process (SIGSEGV).
        message.set_headers(_UNREADABLE)
        return None
    return None if headers is _UNREADABLE else headers or []
