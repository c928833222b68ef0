"""From a Redis queue's spec and its Secrets to the settings of a connection."""

from workqueuejob.api.redis import RedisQueue
from workqueuejob.brokers.hosts import AllowedHosts, resolve_host
from workqueuejob.brokers.redis.settings import (
    FIELD,
    REDIS_PORT,
    RedisAddress,
    RedisConnection,
    Sentinel,
    parse_uri,
)
from workqueuejob.brokers.secrets import SecretReader, list_secret_names, read_login, read_tls


def list_logins(source: RedisQueue) -> tuple[str, ...]:
    """Return the names of the Secrets with user name, password or URI."""
    sentinels = source.sentinel.credentials_secret_ref if source.sentinel else None
    return list_secret_names(source.uri_secret_ref, source.credentials_secret_ref, sentinels)


def resolve(
    source: RedisQueue, reader: SecretReader, *, namespace: str, allowed_hosts: AllowedHosts
) -> RedisConnection:
    """Return the connection's settings; raises as `resolving.resolve_connection` does."""
    address = _read_address(source, reader)
    host = resolve_host(address.host, namespace) if address.host else ""
    port = address.port or REDIS_PORT
    if host:
        named = "host" if source.uri_secret_ref is None else "uriSecretRef"
        allowed_hosts.check(host, port, field=f"{FIELD}.{named}")
    return RedisConnection(
        host=host,
        port=port,
        database=address.database or 0,
        username=address.username or None,
        password=address.password or None,
        tls=read_tls(
            source.tls,
            reader,
            field=FIELD,
            encrypted=address.encrypted,
            schemes=("redis", "rediss"),
        ),
        sentinel=_resolve_sentinel(source, reader, namespace, allowed_hosts),
        reach=allowed_hosts,
    )


def _read_address(source: RedisQueue, reader: SecretReader) -> RedisAddress:
    reference = source.uri_secret_ref
    if reference is not None:
        where = f"{FIELD}.uriSecretRef"
        uri = reader.read_text(reference.name, reference.key, field=where)
        located = reader.locate(reference.name, reference.key, field=where)
        return parse_uri(uri, where=located)
    username, password = read_login(
        source.credentials_secret_ref,
        reader,
        field=f"{FIELD}.credentialsSecretRef",
        username=source.username,
    )
    return RedisAddress(
        host=source.host or "",
        port=source.port,
        username=username,
        password=password,
        database=source.database,
    )


def _resolve_sentinel(
    source: RedisQueue, reader: SecretReader, namespace: str, allowed_hosts: AllowedHosts
) -> Sentinel | None:
    if source.sentinel is None:
        return None
    addresses = []
    for place, address in enumerate(source.sentinel.addresses):
        name, _, port = address.rpartition(":")
        host = resolve_host(name, namespace)
        allowed_hosts.check(host, int(port), field=f"{FIELD}.sentinel.addresses[{place}]")
        addresses.append(f"{host}:{port}")
    username, password = read_login(
        source.sentinel.credentials_secret_ref,
        reader,
        field=f"{FIELD}.sentinel.credentialsSecretRef",
    )
    return Sentinel(
        master_name=source.sentinel.master_name,
        addresses=tuple(addresses),
        username=username,
        password=password,
    )
