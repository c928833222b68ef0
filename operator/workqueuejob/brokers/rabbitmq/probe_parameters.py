"""From a connection's settings to pika's parameters for each of the host's addresses.

Looking up a name and reading TLS material block, so this runs outside of the measuring thread.
"""

from copy import copy

import pika

from workqueuejob.brokers.lookup import look_up
from workqueuejob.brokers.rabbitmq.connection import build_parameters
from workqueuejob.brokers.rabbitmq.errors import translate
from workqueuejob.brokers.rabbitmq.settings import RabbitMQConnection

HEARTBEAT_SECONDS = 30
MOST_ADDRESSES = 4
"""Of a name that are tried. Two take eight seconds, if both are silent."""


def resolve_parameters(settings: RabbitMQConnection) -> list[pika.ConnectionParameters]:
    """Return pika's parameters for each address; raise a QueueError.

    Only addresses that the connection's reach allows; pika looks up no name after that.
    """
    parameters = build_parameters(
        settings, name="workqueuejob-operator", heartbeat_seconds=HEARTBEAT_SECONDS
    )
    try:
        addresses = look_up(settings.host, settings.port, settings.reach)
    except (OSError, UnicodeError) as error:
        raise translate(error, settings) from error
    resolved = []
    for host in list(dict.fromkeys(str(address[0]) for *_, address in addresses))[:MOST_ADDRESSES]:
        of_address = copy(parameters)
        of_address.host = host
        resolved.append(of_address)
    return resolved
