"""From a worker's environment to a Redis connection. Pure."""

from workqueuejob.brokers.environ import Environment, read_address, read_login, read_tls, with_login
from workqueuejob.brokers.redis.settings import (
    REDIS_PORT,
    RedisAddress,
    RedisConnection,
    RedisSource,
    Sentinel,
    parse_uri,
)
from workqueuejob.contract import settings as names
from workqueuejob.contract.settings import WorkerSettings


def build_connection(
    source: RedisSource, settings: WorkerSettings, environ: Environment
) -> RedisConnection:
    """Return how to reach the server, secrets included; raise SettingsInvalid."""
    address = _find_address(source, environ)
    database = address.database if source.database is None else source.database
    return RedisConnection(
        host=address.host,
        port=source.port or address.port or REDIS_PORT,
        database=database or 0,
        username=address.username,
        password=address.password,
        tls=read_tls(settings, address, environ),
        sentinel=_find_sentinel(source, environ),
    )


def _find_address(source: RedisSource, environ: Environment) -> RedisAddress:
    if source.sentinel_master is not None:
        return with_login(RedisAddress(host=""), environ)
    if source.host is None:
        return read_address(environ, parse_uri)
    return with_login(RedisAddress(host=source.host.strip("[]")), environ)


def _find_sentinel(source: RedisSource, environ: Environment) -> Sentinel | None:
    if source.sentinel_master is None:
        return None
    username, password = read_login(environ, names.LOCATOR_USERNAME, names.LOCATOR_PASSWORD)
    return Sentinel(
        source.sentinel_master, source.sentinel_addresses, username=username, password=password
    )
