"""The variables by which pods find a Redis list or stream. Pure; secrets stay references."""

from workqueuejob.api import RedisQueue
from workqueuejob.brokers.connection import join_address
from workqueuejob.brokers.positions import TopicSpan
from workqueuejob.brokers.redis.settings import REDIS_PORT, RedisSource
from workqueuejob.brokers.sides import Variable
from workqueuejob.brokers.variables import build_url, from_login, from_reference, plain
from workqueuejob.contract.settings import (
    BROKER_PASSWORD,
    BROKER_URI,
    BROKER_URL,
    BROKER_USERNAME,
    LOCATOR_PASSWORD,
    LOCATOR_USERNAME,
    QUEUE,
)


def build_variables(queue: RedisQueue) -> list[Variable]:
    """Return `BROKER_URL` and `QUEUE`, and before them what the URL refers to."""
    return [*_build_url(queue), plain(QUEUE, queue.key)]


def refer_to_login(queue: RedisQueue) -> list[Variable]:
    """Return the variables of URI, or of user name and password, as far as there are any.

    The Sentinels' login comes after the server's.
    """
    if queue.uri_secret_ref is not None:
        return [from_reference(BROKER_URI, queue.uri_secret_ref)]
    sentinels = queue.sentinel.credentials_secret_ref if queue.sentinel else None
    return [
        *from_login(queue.credentials_secret_ref, username=queue.username),
        *from_login(sentinels, names=(LOCATOR_USERNAME, LOCATOR_PASSWORD)),
    ]


def build_source(queue: RedisQueue, _span: TopicSpan | None) -> RedisSource:
    """Return the list or stream as our worker's settings name it."""
    return RedisSource(
        key=queue.key,
        consumer_group=queue.stream.consumer_group if queue.stream else None,
        host=queue.host,
        port=queue.port,
        database=queue.database,
        sentinel_master=queue.sentinel.master_name if queue.sentinel else None,
        sentinel_addresses=queue.sentinel.addresses if queue.sentinel else (),
        lease_seconds=queue.lease_seconds,
        sentinel_login=bool(queue.sentinel and queue.sentinel.credentials_secret_ref),
    )


def _build_url(queue: RedisQueue) -> list[Variable]:
    """Return a URL as redis-py and redis-cli -u read it; none with Sentinel, which has no URL."""
    if queue.uri_secret_ref is not None:
        return [from_reference(BROKER_URL, queue.uri_secret_ref)]
    if queue.host is None:
        return []
    scheme = "rediss" if queue.tls is not None else "redis"
    address = f"{join_address(queue.host, queue.port or REDIS_PORT)}/{queue.database or 0}"
    credentials = queue.credentials_secret_ref
    if credentials is None:
        return [plain(BROKER_URL, f"{scheme}://{address}")]
    has_name = queue.username is not None or credentials.username_key is not None
    login = f"$({BROKER_USERNAME}):$({BROKER_PASSWORD})" if has_name else f":$({BROKER_PASSWORD})"
    return [*refer_to_login(queue), build_url(f"{scheme}://{login}@{address}")]
