"""Connections to queues, by which a producer writes and a run's end is looked at.

A command is never sent again by itself: what was not confirmed may be there or not.
"""

import json
from contextlib import suppress
from typing import Any, Protocol

import pika
from pika.exceptions import AMQPError
from redis.backoff import NoBackoff
from redis.client import Redis
from redis.exceptions import RedisError
from redis.retry import Retry

_TIMEOUT_SECONDS = 5


class Refused(Exception):
    """The broker did not confirm, or can't be reached."""


class Line(Protocol):
    """A connection to one queue."""

    def send(self, item: str) -> None:
        """Write an item and wait until it is confirmed; raises Refused."""
        ...

    def close(self) -> None:
        """Never raises."""
        ...


class RabbitMQLine:
    """Publishes persistent messages with confirms; waits for a frozen broker, heartbeats apart."""

    def __init__(self, host: str, queue: str) -> None:
        self._queue = queue
        try:
            self._connection = _connect_to_rabbitmq(host)
            self._channel = self._connection.channel()
            self._channel.confirm_delivery()
        except (AMQPError, OSError) as error:
            raise Refused(str(error)) from error

    def send(self, item: str) -> None:
        properties = pika.BasicProperties(delivery_mode=2, message_id=item)
        try:
            self._channel.basic_publish("", self._queue, item.encode(), properties, mandatory=True)
        except (AMQPError, OSError) as error:
            raise Refused(str(error)) from error

    def close(self) -> None:
        with suppress(AMQPError, OSError):
            self._connection.close()


class RedisLine:
    """Appends to a list or a stream; every reply is written to disk first, by the server's AOF."""

    def __init__(self, host: str, key: str, *, is_stream: bool) -> None:
        self._key, self._is_stream = key, is_stream
        self._client = _connect_to_redis(host)
        try:
            self._client.ping()
        except RedisError as error:
            self.close()
            raise Refused(str(error)) from error

    def send(self, item: str) -> None:
        try:
            if self._is_stream:
                self._client.xadd(self._key, {"item": item})
            else:
                self._client.rpush(self._key, item)
        except RedisError as error:
            raise Refused(str(error)) from error

    def close(self) -> None:
        with suppress(RedisError):
            self._client.close()


def open_rabbitmq(host: str) -> Any:
    """Return a channel for declaring and looking; raises Refused."""
    try:
        return _connect_to_rabbitmq(host).channel()
    except (AMQPError, OSError) as error:
        raise Refused(str(error)) from error


def look_into_rabbitmq(host: str, queue: str, dead: str) -> tuple[int, tuple[str, ...]]:
    """Return how many items are ready, and those among the dead letters; raises Refused."""
    channel = open_rabbitmq(host)
    try:
        left: int = channel.queue_declare(queue, passive=True).method.message_count
        letters = []
        while (letter := channel.basic_get(dead))[0] is not None:
            letters.append(letter[2].decode())
    except (AMQPError, OSError) as error:
        raise Refused(str(error)) from error
    finally:
        # Dead letters were not acknowledged: they go back.
        with suppress(AMQPError, OSError):
            channel.connection.close()
    return left, tuple(letters)


def look_into_redis(host: str, key: str, dead: str) -> tuple[int, tuple[str, ...]]:
    """Return how many items are there, held or not, and those put aside; raises Refused."""
    client: Any = _connect_to_redis(host)
    try:
        if client.type(key) == "stream":
            (group,) = client.xinfo_groups(key)
            left = group["pending"] + (group["lag"] or 0)
            letters = [fields["item"] for _, fields in client.xrange(dead)]
        else:
            held = client.zcard(f"{{{key}}}:wqj:leases") + client.zcard(f"{{{key}}}:wqj:delayed")
            left = client.llen(key) + held
            letters = [json.loads(letter)["item"] for letter in client.lrange(dead, 0, -1)]
    except RedisError as error:
        raise Refused(str(error)) from error
    finally:
        client.close()
    return left, tuple(letters)


def _connect_to_redis(host: str) -> Redis:
    return Redis(
        host,
        decode_responses=True,
        socket_timeout=_TIMEOUT_SECONDS,
        socket_connect_timeout=_TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )


def _connect_to_rabbitmq(host: str) -> Any:
    return pika.BlockingConnection(
        pika.ConnectionParameters(
            host,
            heartbeat=_TIMEOUT_SECONDS,
            blocked_connection_timeout=_TIMEOUT_SECONDS,
            socket_timeout=_TIMEOUT_SECONDS,
            stack_timeout=_TIMEOUT_SECONDS,
        )
    )
