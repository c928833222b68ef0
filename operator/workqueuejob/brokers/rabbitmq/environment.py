"""The variables by which pods find a RabbitMQ queue. Pure; secrets stay references."""

from urllib.parse import quote

from workqueuejob.api import AuthMechanism, RabbitMQQueue
from workqueuejob.brokers.connection import join_address
from workqueuejob.brokers.positions import TopicSpan
from workqueuejob.brokers.rabbitmq.settings import (
    AMQP_PORT,
    AMQPS_PORT,
    DEFAULT_CREDENTIALS,
    DEFAULT_VIRTUAL_HOST,
    RabbitMQSource,
)
from workqueuejob.brokers.sides import Variable
from workqueuejob.brokers.variables import build_url, from_login, from_reference, plain
from workqueuejob.contract.settings import (
    BROKER_PASSWORD,
    BROKER_URI,
    BROKER_URL,
    BROKER_USERNAME,
    DEFAULT_CONSUMER_TIMEOUT_SECONDS,
    QUEUE,
)


def build_variables(queue: RabbitMQQueue) -> list[Variable]:
    """Return `BROKER_URL` and `QUEUE`, and before them what the URL refers to."""
    return [*_build_url(queue), plain(QUEUE, queue.queue)]


def refer_to_login(queue: RabbitMQQueue) -> list[Variable]:
    """Return the variables of URI, or of user name and password; none without either."""
    if queue.uri_secret_ref is not None:
        return [from_reference(BROKER_URI, queue.uri_secret_ref)]
    return from_login(queue.credentials_secret_ref, username=queue.username)


def build_source(queue: RabbitMQQueue, _span: TopicSpan | None) -> RabbitMQSource:
    """Return the queue as our worker's settings name it."""
    return RabbitMQSource(
        queue=queue.queue,
        host=queue.host,
        port=queue.port,
        virtual_host=queue.vhost,
        auth_mechanism=str(queue.auth_mechanism),
        consumer_timeout_seconds=queue.consumer_timeout_seconds or DEFAULT_CONSUMER_TIMEOUT_SECONDS,
    )


def _build_url(queue: RabbitMQQueue) -> list[Variable]:
    if queue.uri_secret_ref is not None:
        return [from_reference(BROKER_URL, queue.uri_secret_ref)]
    scheme, default_port = ("amqps", AMQPS_PORT) if queue.tls is not None else ("amqp", AMQP_PORT)
    vhost = queue.vhost or DEFAULT_VIRTUAL_HOST
    path = "" if vhost == DEFAULT_VIRTUAL_HOST else f"/{quote(vhost, safe='')}"
    address = f"{join_address(queue.host or '', queue.port or default_port)}{path}"
    if queue.credentials_secret_ref is not None:
        login = f"$({BROKER_USERNAME}):$({BROKER_PASSWORD})"
        return [*refer_to_login(queue), build_url(f"{scheme}://{login}@{address}")]
    if queue.auth_mechanism is AuthMechanism.EXTERNAL:
        return [plain(BROKER_URL, f"{scheme}://{address}")]
    return [plain(BROKER_URL, f"{scheme}://{':'.join(DEFAULT_CREDENTIALS)}@{address}")]
