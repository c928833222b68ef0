"""From a queue's spec and its Secrets to the settings that a connection is opened with.

Pure: the caller reads the Secrets that `required_secrets` names. Nothing here opens a connection,
and no repr, message or error holds a password, a private key or a URI that could contain one.
"""

from collections.abc import Mapping

from workqueuejob.api import (
    TLS,
    CredentialsSecretReference,
    KafkaCredentialsSecretReference,
    KafkaQueue,
    QueueSource,
    RabbitMQQueue,
    RedisCredentialsSecretReference,
    RedisQueue,
    URISecretReference,
)
from workqueuejob.brokers.connection import BrokerConnection
from workqueuejob.brokers.hosts import AllowedHosts
from workqueuejob.brokers.kafka.resolve import resolve_kafka
from workqueuejob.brokers.rabbitmq.resolve import resolve_rabbitmq
from workqueuejob.brokers.redis.resolve import resolve_redis
from workqueuejob.brokers.secrets import SecretReader
from workqueuejob.errors import QueueTypeUnsupported

_Login = (
    URISecretReference
    | CredentialsSecretReference
    | RedisCredentialsSecretReference
    | KafkaCredentialsSecretReference
)


def required_secrets(queue: QueueSource) -> frozenset[str]:
    """Return the names of the Secrets that `resolve_connection` needs, in the same namespace."""
    source = queue.rabbitmq or queue.redis or queue.kafka
    if source is None:
        return frozenset()
    tls = source.tls or TLS()
    references = (*_logins(source), tls.ca_secret_ref, tls.client_certificate_secret_ref)
    return frozenset(reference.name for reference in references if reference is not None)


def _logins(source: RabbitMQQueue | RedisQueue | KafkaQueue) -> tuple[_Login | None, ...]:
    if isinstance(source, KafkaQueue):
        return (source.sasl.credentials_secret_ref if source.sasl else None,)
    return source.uri_secret_ref, source.credentials_secret_ref


def resolve_connection(
    queue: QueueSource,
    *,
    namespace: str,
    secrets: Mapping[str, Mapping[str, bytes] | None],
    allowed_hosts: AllowedHosts,
) -> BrokerConnection:
    """Return the connection's settings; `secrets` maps a name to its data, or to None.

    Raises SecretNotFound, SecretKeyMissing, CredentialsNotURLSafe (a URI that can't be parsed)
    or TLSFailed; each names the Secret, the key and the field. Raises HostNotAllowed, with host
    and field, for every host that is named and may not be connected to.
    """
    reader = SecretReader(secrets, namespace)
    if queue.rabbitmq is not None:
        return resolve_rabbitmq(
            queue.rabbitmq, reader, namespace=namespace, allowed_hosts=allowed_hosts
        )
    if queue.redis is not None:
        return resolve_redis(queue.redis, reader, namespace=namespace, allowed_hosts=allowed_hosts)
    if queue.kafka is not None:
        return resolve_kafka(queue.kafka, reader, namespace=namespace, allowed_hosts=allowed_hosts)
    raise QueueTypeUnsupported(
        "spec.queue names no broker that is known here; set rabbitmq, redis or kafka"
    )
