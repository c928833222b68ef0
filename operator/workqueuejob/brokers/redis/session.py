"""A worker's session with a Redis: one connection, the queue's scripts, and translated errors.

It connects when it is not connected and a script is to run. It drops the connection on every error,
because the connection's state is unknown then, and a Sentinel may name another master. Retries
nothing.
"""

from typing import TYPE_CHECKING, Any

from workqueuejob.brokers.redis.client import close_client, open_client
from workqueuejob.brokers.redis.errors import KNOWN, is_wrong_type, translate
from workqueuejob.brokers.redis.keys import build_keys
from workqueuejob.brokers.redis.script_call import Argument, ScriptCall
from workqueuejob.brokers.redis.scripts import LIST_SCRIPTS, STREAM_SCRIPTS
from workqueuejob.brokers.redis.settings import FIELD, RedisConnection, RedisSource
from workqueuejob.errors import (
    BrokerUnavailable,
    ConnectionFailed,
    MeasurementUnreliable,
    QueueError,
    QueueTypeUnsupported,
    WorkQueueJobError,
)

if TYPE_CHECKING:
    from redis import Redis

CAUGHT: tuple[type[BaseException], ...] = (*KNOWN, QueueError)


class RedisSession:
    """Runs a queue's scripts.

    run: the run under which the server counts items.
    pod: the name of a stream's consumer.
    """

    def __init__(
        self, connection: RedisConnection, source: RedisSource, *, run: str, pod: str
    ) -> None:
        self.address = connection.address
        self.is_stream = source.consumer_group is not None
        self._connection = connection
        keys = build_keys(source.key, consumer_group=source.consumer_group, run=run)
        self._keys = tuple(key.encode() for key in keys.all)
        self._arguments = (
            run.encode(),
            (source.consumer_group or "").encode(),
            (pod or "worker").encode(),
            b"0" if source.start_from == "Earliest" else b"$",
            b"%d" % int(source.lease_seconds * 1000),
        )
        self._client: Redis | None = None
        self._calls: dict[tuple[str, str], ScriptCall] = {}

    def run(self, step: str, *arguments: Argument, target: str = "", repeated: bool = False) -> Any:
        """Return a script's answer; raise BrokerUnavailable, or the QueueError for a person.

        step: the name of the script, as in `Scripts`.
        target: the key of the dead-letter target, where the step has one.
        repeated: whether the step was called before, and got no answer.
        """
        try:
            call = self._calls.get((step, target)) or self._connect(step, target)
            return call((b"1" if repeated else b"0", *arguments))
        except CAUGHT as error:
            self.disconnect()
            raise self._explain(error, target) from error

    def leave(self) -> None:
        """Remove a stream's consumer if nothing is pending for it; does nothing if disconnected."""
        if self.is_stream and self._client is not None:
            self.run("leave")

    def disconnect(self) -> None:
        """Drop the connection; never raises."""
        client, self._client = self._client, None
        self._calls = {}
        if client is not None:
            close_client(client)

    def _connect(self, step: str, target: str) -> ScriptCall:
        client = self._client
        if client is None:
            client = self._client = open_client(self._connection)
        scripts = STREAM_SCRIPTS if self.is_stream else LIST_SCRIPTS
        keys = (*self._keys, target.encode()) if target else self._keys
        call = ScriptCall(client, getattr(scripts, step), keys, self._arguments)
        self._calls[step, target] = call
        return call

    def _explain(self, error: BaseException, target: str) -> WorkQueueJobError:
        if is_wrong_type(error):
            return self._explain_type(target)
        failure = error if isinstance(error, QueueError) else translate(error, self._connection)
        if isinstance(failure, ConnectionFailed | MeasurementUnreliable):
            return BrokerUnavailable(str(failure))
        return failure

    def _explain_type(self, target: str) -> QueueError:
        kind = "stream" if self.is_stream else "list"
        key, field = self._keys[0].decode(), f"{FIELD}.{kind}.key"
        if target:
            key, field = target, "spec.retry.deadLetter.name"
        return QueueTypeUnsupported(
            f"key {key!r} on {self.address} is no {kind}; correct {field}, or delete the key"
        )
