"""The environment by which a user's own program finds its queue.

`BROKER_URL` and `QUEUE` are what Kubernetes' documents call them. Credentials stay in the Secret:
the URL is put together by the kubelet from references. Kafka's clients know no URL.
"""

import re
from typing import Any
from urllib.parse import quote

from workqueuejob.api import KafkaQueue, QueueSource, RabbitMQQueue, WorkQueueJobSpec
from workqueuejob.api.rabbitmq import AuthMechanism
from workqueuejob.api.redis import RedisQueue
from workqueuejob.brokers.connection import (
    AMQP_PORT,
    AMQPS_PORT,
    DEFAULT_CREDENTIALS,
    DEFAULT_VIRTUAL_HOST,
    REDIS_PORT,
    join_address,
)
from workqueuejob.contract.settings import BROKER_PASSWORD, BROKER_USERNAME
from workqueuejob.errors import CredentialsNotURLSafe
from workqueuejob.planning.pods.template_shape import read_variable_names

BROKER_URL = "BROKER_URL"
QUEUE = "QUEUE"
BOOTSTRAP_SERVERS = "BOOTSTRAP_SERVERS"
CONSUMER_GROUP = "CONSUMER_GROUP"

_URL_SAFE = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=-]+")
"""What may stand in a URL's user info as it is (RFC 3986, unreserved and sub-delims)."""

Variable = dict[str, Any]


def build_environment(queue: QueueSource) -> list[Variable]:
    """Return the variables for every container, in an order in which each may use those before."""
    if queue.rabbitmq is not None:
        return [*_build_amqp_url(queue.rabbitmq), plain(QUEUE, queue.rabbitmq.queue)]
    if queue.redis is not None:
        return [*_build_redis_url(queue.redis), plain(QUEUE, queue.redis.key)]
    if queue.kafka is not None:
        return _build_kafka_variables(queue.kafka)
    return []


def check_credentials(
    spec: WorkQueueJobSpec, *, username: str | None, password: str | None
) -> None:
    """Raise CredentialsNotURLSafe if a container would get a `BROKER_URL` that can't be parsed."""
    reference = _credentials_name(spec.queue)
    if reference is None or not _needs_url(spec):
        return
    if all(_URL_SAFE.fullmatch(part) for part in (username, password) if part is not None):
        return
    broker = "redis" if spec.queue.redis else "rabbitmq"
    raise CredentialsNotURLSafe(
        f"the user name or password in Secret {reference!r} has characters that a URL can't hold as"
        f" they are, so {BROKER_URL} can't be put together; give the whole URI, percent-encoded, by"
        f" spec.queue.{broker}.uriSecretRef, or set {BROKER_URL} in the template's containers"
        " yourself"
    )


def plain(name: str, value: str) -> Variable:
    """Return a variable with a value that everybody may read."""
    # $(NAME) is Kubernetes' own reference to another variable, and $$ is a dollar.
    return {"name": name, "value": value.replace("$", "$$")}


def from_secret(name: str, secret: str, key: str) -> Variable:
    """Return a variable that the kubelet fills in."""
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}


def _credentials_name(queue: QueueSource) -> str | None:
    source = queue.rabbitmq or queue.redis
    reference = source.credentials_secret_ref if source else None
    return reference.name if reference else None


def _needs_url(spec: WorkQueueJobSpec) -> bool:
    if spec.worker is not None or spec.template.is_too_large:
        return False
    containers = spec.template.parse()["spec"]["containers"]
    return any(BROKER_URL not in read_variable_names(container) for container in containers)


def _build_amqp_url(rabbitmq: RabbitMQQueue) -> list[Variable]:
    if rabbitmq.uri_secret_ref is not None:
        reference = rabbitmq.uri_secret_ref
        return [from_secret(BROKER_URL, reference.name, reference.key)]
    scheme, default_port = (
        ("amqps", AMQPS_PORT) if rabbitmq.tls is not None else ("amqp", AMQP_PORT)
    )
    vhost = rabbitmq.vhost or DEFAULT_VIRTUAL_HOST
    path = "" if vhost == DEFAULT_VIRTUAL_HOST else f"/{quote(vhost, safe='')}"
    address = f"{join_address(rabbitmq.host or '', rabbitmq.port or default_port)}{path}"
    credentials = rabbitmq.credentials_secret_ref
    if credentials is not None:
        return [
            from_secret(BROKER_USERNAME, credentials.name, credentials.username_key),
            from_secret(BROKER_PASSWORD, credentials.name, credentials.password_key),
            _referring(f"{scheme}://$({BROKER_USERNAME}):$({BROKER_PASSWORD})@{address}"),
        ]
    if rabbitmq.auth_mechanism is AuthMechanism.EXTERNAL:
        return [plain(BROKER_URL, f"{scheme}://{address}")]
    return [plain(BROKER_URL, f"{scheme}://{':'.join(DEFAULT_CREDENTIALS)}@{address}")]


def _build_redis_url(redis: RedisQueue) -> list[Variable]:
    """Return a URL as redis-py and redis-cli -u read it; none with Sentinel, which has no URL."""
    if redis.uri_secret_ref is not None:
        return [from_secret(BROKER_URL, redis.uri_secret_ref.name, redis.uri_secret_ref.key)]
    if redis.host is None:
        return []
    scheme = "rediss" if redis.tls is not None else "redis"
    address = f"{join_address(redis.host, redis.port or REDIS_PORT)}/{redis.database or 0}"
    credentials = redis.credentials_secret_ref
    if credentials is None:
        return [plain(BROKER_URL, f"{scheme}://{address}")]
    variables, username = [], ""
    if credentials.username_key is not None:
        variables.append(from_secret(BROKER_USERNAME, credentials.name, credentials.username_key))
        username = f"$({BROKER_USERNAME})"
    return [
        *variables,
        from_secret(BROKER_PASSWORD, credentials.name, credentials.password_key),
        _referring(f"{scheme}://{username}:$({BROKER_PASSWORD})@{address}"),
    ]


def _build_kafka_variables(kafka: KafkaQueue) -> list[Variable]:
    return [
        *refer_to_login(kafka),
        plain(BOOTSTRAP_SERVERS, ",".join(kafka.bootstrap_servers)),
        plain(QUEUE, kafka.topic),
        plain(CONSUMER_GROUP, kafka.consumer_group),
    ]


def refer_to_login(kafka: KafkaQueue) -> list[Variable]:
    """Return the variables of user name and password; none without a login."""
    if kafka.sasl is None:
        return []
    reference, username = kafka.sasl.credentials_secret_ref, kafka.sasl.username
    return [
        from_secret(BROKER_USERNAME, reference.name, reference.username_key)
        if username is None
        else plain(BROKER_USERNAME, username),
        from_secret(BROKER_PASSWORD, reference.name, reference.password_key),
    ]


def _referring(value: str) -> Variable:
    return {"name": BROKER_URL, "value": value}
