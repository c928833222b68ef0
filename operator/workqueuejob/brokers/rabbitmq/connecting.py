"""From a worker's environment to a RabbitMQ connection. Pure."""

from workqueuejob.brokers.environ import Environment, read_address, read_tls, with_login
from workqueuejob.brokers.rabbitmq.settings import (
    AMQP_PORT,
    AMQPS_PORT,
    DEFAULT_CREDENTIALS,
    DEFAULT_VIRTUAL_HOST,
    RabbitMQAddress,
    RabbitMQConnection,
    RabbitMQSource,
    parse_uri,
)
from workqueuejob.contract.settings import WorkerSettings


def build_connection(
    source: RabbitMQSource, settings: WorkerSettings, environ: Environment
) -> RabbitMQConnection:
    """Return how to reach the broker, secrets included; raise SettingsInvalid."""
    if source.host is None:
        address = read_address(environ, parse_uri)
    else:
        address = with_login(RabbitMQAddress(host=source.host.strip("[]")), environ)
    tls = read_tls(settings, address, environ)
    username, password = ("", "") if source.auth_mechanism == "EXTERNAL" else DEFAULT_CREDENTIALS
    if address.username is not None:
        username, password = address.username, address.password or ""
    return RabbitMQConnection(
        host=address.host,
        port=source.port or address.port or (AMQP_PORT if tls is None else AMQPS_PORT),
        virtual_host=source.virtual_host or address.virtual_host or DEFAULT_VIRTUAL_HOST,
        username=username,
        password=password,
        auth_mechanism=source.auth_mechanism,
        tls=tls,
    )
