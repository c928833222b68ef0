"""From a Kafka queue's spec and its Secrets to the settings of a connection."""

from workqueuejob.api.kafka import KafkaQueue
from workqueuejob.brokers.hosts import AllowedHosts, resolve_host
from workqueuejob.brokers.kafka.settings import FIELD, KafkaConnection
from workqueuejob.brokers.secrets import SecretReader, read_login, read_tls


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
    sasl = source.sasl
    username, password = read_login(
        sasl.credentials_secret_ref if sasl else None,
        reader,
        field=f"{FIELD}.sasl.credentialsSecretRef",
        username=sasl.username if sasl else None,
    )
    return KafkaConnection(
        bootstrap_servers=tuple(servers),
        sasl_mechanism=None if sasl is None else sasl.mechanism.value,
        username=username,
        password=password,
        # Nothing but the spec says whether it is encrypted: there is no URI.
        tls=read_tls(source.tls, reader, field=FIELD, encrypted=None, schemes=("", "")),
        reach=allowed_hosts,
    )
