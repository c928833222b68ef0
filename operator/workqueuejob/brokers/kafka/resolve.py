"""From a Kafka queue's spec and its Secrets to the settings of a connection."""

from workqueuejob.api.kafka import KafkaQueue, KafkaSASL
from workqueuejob.brokers.hosts import AllowedHosts, resolve_host
from workqueuejob.brokers.kafka.settings import FIELD, KafkaConnection
from workqueuejob.brokers.secrets import SecretReader, read_tls


def list_logins(source: KafkaQueue) -> tuple[str, ...]:
    """Return the names of the Secrets with user name, password or URI."""
    return (source.sasl.credentials_secret_ref.name,) if source.sasl else ()


def resolve(
    source: KafkaQueue, reader: SecretReader, *, namespace: str, allowed_hosts: AllowedHosts
) -> KafkaConnection:
    """Return the connection's settings; raises as `resolving.resolve_connection` does."""
    servers = []
    for server in source.bootstrap_servers:
        name, _, port = server.rpartition(":")
        host = resolve_host(name, namespace)
        allowed_hosts.check(host, int(port), field=f"{FIELD}.bootstrapServers")
        servers.append(f"{host}:{port}")
    username = password = None
    if source.sasl is not None:
        username, password = _read_login(source.sasl, reader)
    return KafkaConnection(
        bootstrap_servers=tuple(servers),
        sasl_mechanism=None if source.sasl is None else source.sasl.mechanism.value,
        username=username,
        password=password,
        # Nothing but the spec says whether it is encrypted: there is no URI.
        tls=read_tls(source.tls, reader, field=FIELD, encrypted=None, schemes=("", "")),
        reach=allowed_hosts,
    )


def _read_login(sasl: KafkaSASL, reader: SecretReader) -> tuple[str, str]:
    reference, where = sasl.credentials_secret_ref, f"{FIELD}.sasl.credentialsSecretRef"
    username = sasl.username
    if username is None:
        username = reader.read_text(reference.name, reference.username_key, field=where)
    return username, reader.read_text(reference.name, reference.password_key, field=where)
