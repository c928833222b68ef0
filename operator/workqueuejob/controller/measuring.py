"""One WorkQueueJob's view of its queue: from spec and Secrets to the latest measurement.

Secrets are read when the spec changes, and again while something is wrong: a Secret that was
missing, or a password that was refused, may have been mended.
"""

import base64
import binascii
import time
from collections.abc import Callable
from datetime import UTC, datetime

from workqueuejob.api import WorkQueueJob
from workqueuejob.cluster.api import ClusterAPI
from workqueuejob.errors import AuthenticationFailed, QueueError, TLSFailed
from workqueuejob.planning.depth import Measurement
from workqueuejob.planning.environment import check_credentials
from workqueuejob.protocol.connection import BrokerConnection
from workqueuejob.queues.hosts import AllowedHosts
from workqueuejob.queues.meter import Meter, Watch
from workqueuejob.queues.references import QueueReference, build_reference
from workqueuejob.queues.settings import required_secrets, resolve_connection

QueueMeter = Meter[BrokerConnection, QueueReference]

_REREAD_SECONDS = 3.0
"""Between two readings of Secrets that something is wrong with."""


class QueueMeasuring:
    """Holds the watch that fits the current spec and Secrets."""

    def __init__(
        self,
        cluster: ClusterAPI,
        meter: QueueMeter,
        wake: Callable[[], None],
        *,
        allowed_hosts: AllowedHosts,
    ) -> None:
        self._cluster = cluster
        self._allowed_hosts = allowed_hosts
        self._meter = meter
        self._wake = wake
        self._watch: Watch[QueueReference] | None = None
        self._watched: tuple[BrokerConnection, QueueReference] | None = None
        self._error: Measurement | None = None
        self._generation: int | None = None
        self._read_at = 0.0

    @property
    def latest(self) -> Measurement | None:
        """The latest measurement, or the reason why there can be none."""
        if self._error is not None:
            return self._error
        return self._watch.latest if self._watch else None

    @property
    def is_broken(self) -> bool:
        """Whether Secrets should be read again before long."""
        latest = self.latest
        return self._error is not None or (
            latest is not None and isinstance(latest.result, AuthenticationFailed | TLSFailed)
        )

    def request(self) -> None:
        """Ask for a measurement that starts after this call."""
        if self._watch is not None:
            self._watch.request()

    async def follow(self, resource: WorkQueueJob) -> None:
        """Watch what the spec says now; raises ClusterError if a Secret can't be read."""
        fresh = self._generation == resource.metadata.generation
        waits = self.is_broken and time.monotonic() - self._read_at >= _REREAD_SECONDS
        if fresh and not waits:
            return
        secrets = {
            name: await self._read_secret(resource.metadata.namespace, name)
            for name in sorted(required_secrets(resource.spec.queue))
        }
        self._read_at = time.monotonic()
        self._generation = resource.metadata.generation
        started, now = time.monotonic(), datetime.now(UTC)
        try:
            connection = resolve_connection(
                resource.spec.queue,
                namespace=resource.metadata.namespace,
                secrets=secrets,
                allowed_hosts=self._allowed_hosts,
            )
            check_credentials(
                resource.spec, username=connection.username, password=connection.password
            )
        except QueueError as error:
            self._unwatch()
            self._error = Measurement(started=started, time=now, result=error)
            return
        self._error = None
        self._follow_connection(connection, build_reference(resource))

    def close(self) -> None:
        """Stop measuring."""
        self._unwatch()
        self._generation = None

    def _follow_connection(self, connection: BrokerConnection, queue: QueueReference) -> None:
        if self._watched == (connection, queue):
            return
        self._unwatch()
        self._watched = (connection, queue)
        self._watch = self._meter.watch(connection, queue, lambda _measurement: self._wake())

    def _unwatch(self) -> None:
        if self._watch is not None:
            self._watch.close()
        self._watch = None
        self._watched = None

    async def _read_secret(self, namespace: str, name: str) -> dict[str, bytes] | None:
        secret = await self._cluster.read_secret(namespace, name)
        if secret is None:
            return None
        return {key: _decode(value) for key, value in (secret.get("data") or {}).items()}


def _decode(value: str) -> bytes:
    try:
        return base64.b64decode(value)
    except binascii.Error:
        return b""
