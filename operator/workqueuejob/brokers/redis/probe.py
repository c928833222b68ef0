"""Measures a Redis list or stream: one script counts everything at one moment.

    ready          LLEN of the list, or the group's lag; also items whose lease has ended, and
                   retries that are due
    in_flight      items with a lease; also the items in a foreign program's processing list, or the
                   entries of a stream that are pending for others
    delayed        retries that are not due yet
    dead_lettered  LLEN or XLEN of the dead-letter target
    precision      Estimated for a stream whose lag Redis does not know, beyond a thousand entries
    counts         the items that the run's workers have settled, as the server counted them

Redis deletes empty lists, so a missing key is an empty queue. Changes no key: the one write that it
tries, to learn whether the server takes writes, has no effect.
"""

from dataclasses import fields, replace
from typing import Any

from redis.exceptions import NoPermissionError

from workqueuejob.api.status import Precision
from workqueuejob.brokers.bounded_socket import MIB, Bounds
from workqueuejob.brokers.depth import DepthWarning, QueueDepth
from workqueuejob.brokers.redis.client import REPLY_TIMEOUT_SECONDS, close_client, open_client
from workqueuejob.brokers.redis.errors import (
    KNOWN,
    OUT_OF_MEMORY,
    build_is_sentinel,
    build_not_redis,
    find_write_refusal,
    is_forbidden,
    is_wrong_type,
    translate,
)
from workqueuejob.brokers.redis.keys import build_keys, processing_key
from workqueuejob.brokers.redis.reference import RedisReference
from workqueuejob.brokers.redis.scripts import LIST_SCRIPTS, STREAM_SCRIPTS
from workqueuejob.brokers.redis.settings import FIELD, RedisConnection
from workqueuejob.contract.report import ItemCounts
from workqueuejob.errors import MeasurementUnreliable, QueueError, QueueTypeUnsupported

MEMORY_FULL = "MemoryFull"
ANSWER_MAX_BYTES = MIB
"""For the answers to one call; the numbers and a run's counters take some hundred."""

MISSHAPEN = (ValueError, TypeError, LookupError, AttributeError, RecursionError)
"""The exceptions of redis-py, and of the functions below, for an answer that is not Redis'."""


class RedisProbe:
    """One Redis database; the Probe of `workqueuejob.brokers.probe`."""

    def __init__(self, settings: RedisConnection) -> None:
        """Connect; raise a QueueError when that fails."""
        self._settings = settings
        self._bounds = Bounds(seconds=REPLY_TIMEOUT_SECONDS, most_bytes=ANSWER_MAX_BYTES)
        self._may_write = True
        try:
            self._client = open_client(settings, bounds=self._bounds)
        except KNOWN as error:
            raise translate(error, settings) from error
        except MISSHAPEN as error:
            raise build_not_redis(settings) from error
        self._lists = self._client.register_script(LIST_SCRIPTS.depth)
        self._streams = self._client.register_script(STREAM_SCRIPTS.depth)
        try:
            self.begin_round()
        except QueueError:
            self.close()
            raise

    def begin_round(self) -> None:
        """Raise MeasurementUnreliable on a replica, whose numbers lag behind."""
        self._bounds.begin()
        try:
            role: Any = self._client.role()
            is_master, is_sentinel = role[0] == b"master", role[0] == b"sentinel"
        except NoPermissionError:
            # Few users may call ROLE. Without it the server that the spec names is believed.
            return
        except KNOWN as error:
            raise translate(error, self._settings) from error
        except MISSHAPEN as error:
            raise build_not_redis(self._settings) from error
        if is_sentinel:
            raise build_is_sentinel(self._settings)
        if not is_master:
            field = "host" if self._settings.sentinel is None else "sentinel"
            raise MeasurementUnreliable(
                f"{self._settings.address}: is a replica, whose numbers lag behind; name the master"
                f" in {FIELD}.{field}"
            )

    def measure(self, queue: RedisReference) -> QueueDepth:
        """Return the queue's depth; raise a QueueError when it can't be known."""
        self._bounds.begin()
        try:
            depth, refusal = read_depth(self._ask(queue))
        except KNOWN as error:
            if is_wrong_type(error):
                raise self._explain_type(queue) from error
            raise translate(error, self._settings) from error
        except MISSHAPEN as error:
            raise build_not_redis(self._settings) from error
        return replace(depth, warning=self._judge(refusal))

    def close(self) -> None:
        """Disconnect; never raises."""
        close_client(self._client)

    def _ask(self, queue: RedisReference) -> Any:
        keys = build_keys(queue.key, consumer_group=queue.consumer_group, run=queue.run).all
        if queue.dead_letter is not None:
            keys = (*keys, queue.dead_letter)
        processing = _processing_key(queue)
        if processing is not None:
            keys = (*keys, processing)
        start = "0" if queue.start_from == "Earliest" else "$"
        # No worker takes over a foreign program's pending entries, however old they are.
        lease_ms = int(queue.lease_seconds * 1000) if queue.worker else 0
        group, consumer, repeated = queue.consumer_group or "", "", 0
        arguments: list[str | int] = [queue.run, group, consumer, start, lease_ms, repeated]
        flags = (queue.dead_letter is not None, processing is not None, self._may_write)
        script = self._lists if queue.consumer_group is None else self._streams
        return script(keys, [*arguments, *map(int, flags)])

    def _judge(self, refusal: str) -> DepthWarning | None:
        """Return a warning where the server is full; raise where it takes no writes at all.

        refusal: the reply to the write that was tried; empty where it was taken.
        """
        if is_forbidden(refusal):
            # The operator needs no right to write, and each try adds a line to the ACL LOG.
            self._may_write = False
        error = find_write_refusal(refusal, self._settings)
        if error is None:
            return None
        if refusal.startswith(OUT_OF_MEMORY):
            # Workers still move items; only dead letters and producers wait.
            return DepthWarning(MEMORY_FULL, str(error))
        raise error

    def _explain_type(self, queue: RedisReference) -> QueueError:
        kind = "list" if queue.consumer_group is None else "stream"
        named = [
            (queue.key, f"{FIELD}.{kind}.key"),
            (_processing_key(queue), f"{FIELD}.list.processingKey"),
            (queue.dead_letter, "spec.retry.deadLetter.name"),
        ]
        for key, field in named:
            key_type = "none" if key is None else self._read_type(key)
            if key_type not in {"none", kind}:
                return QueueTypeUnsupported(
                    f"key {key!r} on {self._settings.address} is a {key_type}, not a {kind};"
                    f" correct {field}, or delete the key"
                )
        return QueueTypeUnsupported(
            f"a key beside {queue.key!r} on {self._settings.address} is in other use; look at the"
            f" keys that begin with {build_keys(queue.key).leases.removesuffix('leases')}"
        )

    def _read_type(self, key: str) -> str:
        try:
            answer: Any = self._client.type(key)
        except KNOWN as error:
            raise translate(error, self._settings) from error
        return str(answer.decode())


def read_depth(answer: Any) -> tuple[QueueDepth, str]:
    """Return the depth, and why the server refuses writes, or ''; raises one of MISSHAPEN."""
    ready, in_flight, delayed, dead, counters, refusal, is_exact = answer
    numbers = (ready, in_flight, delayed, dead)
    if not all(isinstance(number, int) and number < 2**63 for number in numbers):
        raise TypeError
    depth = QueueDepth(
        ready=ready,
        in_flight=in_flight,
        delayed=delayed,
        dead_lettered=None if dead < 0 else dead,
        precision=Precision.EXACT if is_exact else Precision.ESTIMATED,
        counts=read_counts(counters),
    )
    return depth, refusal.decode()


def read_counts(counters: list[bytes]) -> ItemCounts | None:
    """Return the run's counts from HGETALL's answer; None where nothing was counted.

    Unknown fields, such as those of a later version's worker, are ignored.
    """
    if not counters:
        return None
    by_name = {
        name.decode(): int(value) for name, value in zip(counters[::2], counters[1::2], strict=True)
    }
    return ItemCounts(**{field.name: by_name.get(field.name, 0) for field in fields(ItemCounts)})


def _processing_key(queue: RedisReference) -> str | None:
    if queue.worker or queue.consumer_group is not None:
        return None
    return queue.processing_key or processing_key(queue.key)


def connect(settings: RedisConnection) -> RedisProbe:
    """Open a probe; raise a QueueError when the server can't be reached or refuses."""
    return RedisProbe(settings)
