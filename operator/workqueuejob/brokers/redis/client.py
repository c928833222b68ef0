"""Opens redis-py clients: one connection each, short deadlines, no retries.

The caller retries, because only the caller knows whether a command may be sent twice. Sentinels are
asked again for each client, as their protocol demands
(https://redis.io/docs/latest/develop/reference/sentinel-clients/).
"""

import time
from contextlib import suppress
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.connection import ConnectionPool
from redis.exceptions import AuthenticationError, RedisError
from redis.retry import Retry
from redis.sentinel import MasterNotFoundError

from workqueuejob.brokers import tls
from workqueuejob.brokers.bounded_socket import Bounds
from workqueuejob.brokers.redis.connection import (
    CONNECT_TIMEOUT_SECONDS,
    TLS_FIELD,
    ContextConnection,
    PlainConnection,
)
from workqueuejob.brokers.redis.settings import FIELD, RedisConnection, Sentinel
from workqueuejob.errors import AuthenticationFailed

REPLY_TIMEOUT_SECONDS = 5.0
SENTINEL_TIMEOUT_SECONDS = 1.0
SENTINELS_TIMEOUT_SECONDS = 4.0


def open_client(connection: RedisConnection, *, bounds: Bounds | None = None) -> redis.Redis:
    """Return a client for the server, or for the master that the Sentinels name now.

    bounds: the limits of every answer; the caller calls `begin` before each call.
    Raises HostNotAllowed, also for the host that the Sentinels name, TLSFailed, ConnectionFailed,
    AuthenticationFailed for a Sentinel, or redis-py's exceptions.
    """
    settings: dict[str, Any] = {
        "db": connection.database,
        "socket_connect_timeout": CONNECT_TIMEOUT_SECONDS,
        "socket_timeout": REPLY_TIMEOUT_SECONDS,
        **_common_settings(connection, bounds),
    }
    host, port = connection.host, connection.port
    if connection.sentinel is not None:
        host, port = _ask_sentinels(connection, connection.sentinel, bounds)
        if bounds is not None:
            bounds.begin()
        if connection.reach is not None:
            connection.reach.check(host, port, field=f"the answer of {FIELD}.sentinel")
    return _open(host, port, settings)


def close_client(client: redis.Redis) -> None:
    """Disconnect; never raises."""
    with suppress(RedisError, OSError):
        client.close()
        client.connection_pool.disconnect()


def _common_settings(connection: RedisConnection, bounds: Bounds | None) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "connection_class": PlainConnection,
        "bounds": bounds,
        "reach": connection.reach,
        "username": connection.username if connection.password is not None else None,
        "password": connection.password,
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
        # Without it redis-py sends CLIENT SETINFO, which a user may not be allowed to call.
        "driver_info": None,
    }
    if connection.tls is not None:
        settings["connection_class"] = ContextConnection
        settings["context"] = tls.build_context(connection.tls, field=TLS_FIELD)
        settings["server_name"] = connection.tls.server_name
    return settings


def _open(host: str, port: int, settings: dict[str, Any]) -> redis.Redis:
    pool: ConnectionPool = ConnectionPool(host=host, port=port, **settings)
    return redis.Redis(connection_pool=pool, single_connection_client=True)


def _ask_sentinels(
    connection: RedisConnection, sentinel: Sentinel, bounds: Bounds | None
) -> tuple[str, int]:
    settings: dict[str, Any] = {
        "socket_connect_timeout": SENTINEL_TIMEOUT_SECONDS,
        "socket_timeout": SENTINEL_TIMEOUT_SECONDS,
        **_common_settings(connection, bounds and bounds.within(2 * SENTINEL_TIMEOUT_SECONDS)),
    }
    logins = [(sentinel.username, sentinel.password)]
    if sentinel.password is None and connection.password is not None:
        logins.append((connection.username, connection.password))
    deadline = time.monotonic() + SENTINELS_TIMEOUT_SECONDS
    failure: Exception | None = None
    for address in sentinel.addresses:
        host, _, port = address.rpartition(":")
        try:
            master = _ask(
                host.strip("[]"),
                int(port),
                settings,
                logins=logins,
                master_name=sentinel.master_name,
            )
        except (RedisError, OSError) as error:
            failure = error
            master = None
        if master is not None:
            return master
        if time.monotonic() > deadline:
            break
    if isinstance(failure, AuthenticationError):
        raise AuthenticationFailed(
            f"{connection.address}: the Sentinel refused the login; correct"
            f" {FIELD}.sentinel.credentialsSecretRef, or the Secret that it names"
        ) from failure
    if failure is not None:
        raise failure
    raise MasterNotFoundError(sentinel.master_name)


def _ask(
    host: str,
    port: int,
    settings: dict[str, Any],
    *,
    logins: list[tuple[str | None, str | None]],
    master_name: str,
) -> tuple[str, int] | None:
    """Return the master's host and port as one Sentinel knows them; None where it knows none.

    logins: user names and passwords; a further one is tried where the Sentinel refuses the one
        before.
    """
    bounds: Bounds | None = settings["bounds"]
    if bounds is not None:
        bounds.begin()
    (username, password), *others = logins
    try:
        client = _open(host, port, {**settings, "username": username, "password": password})
        try:
            address: Any = client.sentinel_get_master_addr_by_name(master_name)
        finally:
            close_client(client)
    except AuthenticationError:
        if not others:
            raise
        return _ask(host, port, settings, logins=others, master_name=master_name)
    return None if not address else (address[0].decode(), int(address[1]))
