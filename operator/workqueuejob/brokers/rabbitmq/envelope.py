"""An item's envelope as the properties and headers of its RabbitMQ message. Pure.

The headers in which broker and workers keep an item's history are left out, so that every attempt
finds those of the producer. A message has no key.
"""

from workqueuejob.brokers.envelope import Envelope, read_text, read_time
from workqueuejob.brokers.rabbitmq.items import read_own_headers
from workqueuejob.brokers.rabbitmq.properties import Properties


def read_envelope(properties: Properties) -> Envelope:
    """Return the envelope of a message.

    AMQP's timestamp is in seconds, and the producer's. Where a producer writes milliseconds, the
    time is unknown, and the property has the number.
    """
    values = properties.decode()
    seconds = values.get("timestamp")
    return Envelope(
        headers=read_own_headers(properties).decode(),
        properties=values,
        content_type=read_text(values.get("content_type")),
        enqueued_at=None if seconds is None else read_time(seconds),
    )
