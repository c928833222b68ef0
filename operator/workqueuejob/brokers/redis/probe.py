"""How deep a Redis list or stream is, all of it counted at one moment by one script.

    ready          LLEN of the list, or the group's lag; items whose lease has ended, and retries
                   that are due
    in_flight      items with a lease; for a foreign program what is in its processing list, and
                   for a stream what is pending for others
    delayed        retries that are not due yet
    dead_lettered  LLEN or XLEN of the dead-letter target
    counts         what the run's workers have settled, as the server counted it

Redis deletes empty lists, so a key that is not there is an empty queue. Nothing in here changes
anything: the one write that is tried, to learn whether any is taken, touches nothing.
"""

from dataclasses import dataclass, fields, replace
from typing import Any

from redis.exceptions import NoPermissionError

from workqueuejob.brokers.bounded_socket import MIB, Bounds
from workqueuejob.brokers.connection import REDIS_FIELD as FIELD
from workqueuejob.brokers.connection import RedisConnection
from workqueuejob.brokers.depth import DepthWarning, QueueDepth
from workqueuejob.brokers.hosts import ALL_HOSTS, AllowedHosts
from workqueuejob.brokers.redis.client import REPLY_TIMEOUT_SECONDS, close_client, open_client
from workqueuejob.brokers.redis.errors import (
    KNOWN,
    OUT_OF_MEMORY,
    build_not_redis,
    find_write_refusal,
    is_wrong_type,
    translate,
)
from workqueuejob.brokers.redis.keys import build_keys, processing_key
from workqueuejob.brokers.redis.scripts import LIST_SCRIPTS, STREAM_SCRIPTS
from workqueuejob.contract.report import ItemCounts
from workqueuejob.contract.settings import DEFAULT_LEASE_SECONDS
from workqueuejob.errors import MeasurementUnreliable, QueueError, QueueTypeUnsupported

MEMORY_FULL = "MemoryFull"
MOST_BYTES = MIB
"""Of the answers to one call; numbers and a run's counters are some hundred."""

MISSHAPEN = (ValueError, TypeError, LookupError, AttributeError, RecursionError)
"""What redis-py and the reading below make of an answer that is not Redis'."""


@dataclass(frozen=True, slots=True)
class RedisReference:
    """What a probe measures: a list or, with a consumer group, a stream.

    processing_key: where a foreign program keeps what is in work; None is `<key>:processing`.
    worker: whether our worker drains it, or a foreign program.
    run: whose counters to read; empty reads none.
    """

    key: str
    consumer_group: str | None = None
    start_from: str = "Earliest"
    processing_key: str | None = None
    worker: bool = True
    dead_letter: str | None = None
    run: str = ""
    lease_seconds: float = DEFAULT_LEASE_SECONDS


class RedisProbe:
    """One Redis database; the Probe of `workqueuejob.brokers.probe`."""

    def __init__(self, settings: RedisConnection, allowed_hosts: AllowedHosts) -> None:
        """Connect; raise a QueueError when that fails."""
        self._settings = settings
        self._bounds = Bounds(seconds=REPLY_TIMEOUT_SECONDS, most_bytes=MOST_BYTES)
        self._may_write = True

        def check_master(host: str, port: int) -> None:
            allowed_hosts.check(host, port, field=f"the answer of {FIELD}.sentinel")

        try:
            self._client = open_client(settings, check_master=check_master, bounds=self._bounds)
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
        """Make sure that this is still the master: a replica's numbers lag behind."""
        self._bounds.begin()
        try:
            role: Any = self._client.role()
            is_master = role[0] == b"master"
        except NoPermissionError:
            # Few users may ask; whoever may not has named the right server, we hope with them.
            return
        except KNOWN as error:
            raise translate(error, self._settings) from error
        except MISSHAPEN as error:
            raise build_not_redis(self._settings) from error
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
        # A foreign program's pending entries are nobody else's to take, however old.
        lease_ms = int(queue.lease_seconds * 1000) if queue.worker else 0
        group, nobody, not_again = queue.consumer_group or "", "", 0
        arguments: list[str | int] = [queue.run, group, nobody, start, lease_ms, not_again]
        flags = (queue.dead_letter is not None, processing is not None, self._may_write)
        script = self._lists if queue.consumer_group is None else self._streams
        return script(keys, [*arguments, *map(int, flags)])

    def _judge(self, refusal: str) -> DepthWarning | None:
        """Return a warning for a server that is full; raise for one that takes no writes at all."""
        if "NOPERM" in refusal or "can't run this command" in refusal:
            # Few need it that only measure, and each try would stand in the server's ACL LOG.
            self._may_write = False
        error = find_write_refusal(refusal, self._settings)
        if error is None:
            return None
        if refusal.startswith(OUT_OF_MEMORY):
            # A worker moves items all the same; only dead letters and producers wait.
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
            found = "none" if key is None else self._type_of(key)
            if found not in {"none", kind}:
                return QueueTypeUnsupported(
                    f"key {key!r} on {self._settings.address} is a {found}, not a {kind}; correct"
                    f" {field}, or delete the key"
                )
        return QueueTypeUnsupported(
            f"a key beside {queue.key!r} on {self._settings.address} is in other use; look at the"
            f" keys that begin with {build_keys(queue.key).leases.removesuffix('leases')}"
        )

    def _type_of(self, key: str) -> str:
        try:
            found: Any = self._client.type(key)
        except KNOWN as error:
            raise translate(error, self._settings) from error
        return str(found.decode())


def read_depth(answer: Any) -> tuple[QueueDepth, str]:
    """Return the depth, and why the server refuses writes, or ''; raises one of MISSHAPEN."""
    ready, in_flight, delayed, dead, counters, refusal = answer
    if not all(isinstance(one, int) and one < 2**63 for one in (ready, in_flight, delayed, dead)):
        raise TypeError
    depth = QueueDepth(
        ready=ready,
        in_flight=in_flight,
        delayed=delayed,
        dead_lettered=None if dead < 0 else dead,
        counts=read_counts(counters),
    )
    return depth, refusal.decode()


def read_counts(counters: list[bytes]) -> ItemCounts | None:
    """Return the run's counts from HGETALL's answer; None when nothing has been counted.

    Other fields, as of a later version's worker, are ignored.
    """
    if not counters:
        return None
    found = {
        name.decode(): int(value) for name, value in zip(counters[::2], counters[1::2], strict=True)
    }
    return ItemCounts(**{one.name: found.get(one.name, 0) for one in fields(ItemCounts)})


def _processing_key(queue: RedisReference) -> str | None:
    if queue.worker or queue.consumer_group is not None:
        return None
    return queue.processing_key or processing_key(queue.key)


def connect(settings: RedisConnection, allowed_hosts: AllowedHosts = ALL_HOSTS) -> RedisProbe:
    """Open a probe; raise a QueueError when the server can't be reached or refuses."""
    return RedisProbe(settings, allowed_hosts)
