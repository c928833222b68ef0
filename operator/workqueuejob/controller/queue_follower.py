"""Follows one WorkQueueJob's spec and Secrets to its queue, and has the meter watch that queue.

Secrets are read when the spec changes, and again at the intervals that `planning.rules.secret_age`
chooses, because they may have been corrected, or may name another broker by now. When the
connection changes, the measurements of the former one are dropped.
"""

import random
import time
from collections.abc import Callable
from datetime import UTC, datetime

from workqueuejob.api import WorkQueueJob
from workqueuejob.brokers.connection import BrokerConnection
from workqueuejob.brokers.depth import Measurement
from workqueuejob.brokers.hosts import AllowedHosts
from workqueuejob.brokers.references import QueueReference, build_reference
from workqueuejob.brokers.resolving import required_secrets, resolve_connection
from workqueuejob.controller.secret_reads import SHARED_SECONDS, SecretReads
from workqueuejob.errors import QueueError
from workqueuejob.measuring.meter import Meter, Watch
from workqueuejob.planning.decision import Plan
from workqueuejob.planning.observing.observed import Observed
from workqueuejob.planning.pods.environment import check_credentials
from workqueuejob.planning.rules.idleness import is_idle
from workqueuejob.planning.rules.secret_age import (
    choose_longest_age,
    is_at_work,
    needs_current_secrets,
)

QueueMeter = Meter[BrokerConnection, QueueReference]

_DUE_WITHIN_SECONDS = 0.1
"""Secrets that are due so soon are read now, instead of in a reconcile of their own."""
_MAX_JITTER_SECONDS = 0.5


class QueueFollower:
    """Holds the watch that fits the current spec and Secrets."""

    def __init__(
        self,
        secrets: SecretReads,
        meter: QueueMeter,
        wake: Callable[[], None],
        *,
        allowed_hosts: AllowedHosts,
    ) -> None:
        self._is_at_work = False
        self.changes = 0
        """How often a watch has been closed, mostly because connection or queue changed."""
        self._secrets = secrets
        self._allowed_hosts = allowed_hosts
        self._meter = meter
        self._wake = wake
        self._watch: Watch[QueueReference] | None = None
        self._watched: tuple[BrokerConnection, QueueReference] | None = None
        self._error: Measurement | None = None
        self._generation: int | None = None
        self._has_secrets = False
        self._failures = 0
        self._read_at = 0.0
        self._true_since = 0.0

    @property
    def latest(self) -> Measurement | None:
        """The latest measurement, whose result may be why there can be none; None before it."""
        if self._error is not None:
            return self._error
        return self._watch.latest if self._watch else None

    @property
    def reread_after_seconds(self) -> float | None:
        """Seconds until Secrets are due to be read again; None if the queue needs none."""
        if self._generation is None or not self._has_secrets:
            return None
        failures = max(self._failures, 1) if self._fails else 0
        longest = choose_longest_age(failures=failures, is_at_work=self._is_at_work)
        return max(self._read_at + longest - time.monotonic(), 0.0)

    def request(self) -> None:
        """Ask for a measurement that starts after this call."""
        if self._watch is not None:
            self._watch.request()

    async def follow(self, resource: WorkQueueJob) -> None:
        """Watch the queue of the present spec; raises ClusterError if a Secret can't be read."""
        left = self.reread_after_seconds
        is_due = left is not None and left <= _DUE_WITHIN_SECONDS
        if self._generation != resource.metadata.generation or is_due:
            await self._read(resource, not_before=time.monotonic() - SHARED_SECONDS)

    async def is_still_idle(self, resource: WorkQueueJob) -> bool:
        """Read Secrets that are due; return whether an idle run's queue is the same afterwards.

        There is nothing to decide then. Raises ClusterError if a Secret can't be read.
        """
        watched = self._watched
        await self.follow(resource)
        return watched is not None and self._watched is watched and not self._is_at_work

    async def is_current_for(self, observed: Observed, decided: Plan) -> bool:
        """Return whether a plan may be carried out with the Secrets that were read last.

        Reads them if need be. Raises ClusterError.
        """
        self._is_at_work = is_at_work(observed)
        if self._watch is not None:
            self._watch.be_idle(is_idle(observed, decided))
        measurement = observed.measurement
        if measurement is None or not needs_current_secrets(observed, decided):
            return True
        return await self._confirm(observed.resource, measurement)

    async def _confirm(self, resource: WorkQueueJob, measurement: Measurement) -> bool:
        """Return whether a measurement is of the queue that new pods would take items from.

        Reads the Secrets, unless they were read after the measurement began. Raises ClusterError.
        """
        if self._has_secrets and self._true_since < measurement.started:
            before = self.changes
            await self._read(resource, not_before=measurement.started)
            return self.changes == before
        return True

    def close(self) -> None:
        """Stop watching; `follow` begins again."""
        self._unwatch()
        self._generation = None

    @property
    def _fails(self) -> bool:
        latest = self.latest
        return latest is not None and isinstance(latest.result, QueueError)

    async def _read(self, resource: WorkQueueJob, *, not_before: float) -> None:
        names, namespace = required_secrets(resource.spec.queue), resource.metadata.namespace
        self._failures = self._failures + 1 if self._fails else 0
        secrets = {
            name: await self._secrets.read(namespace, name, not_before=not_before)
            for name in sorted(names)
        }
        # Secrets of many WorkQueueJobs that were read at once are due at different times then.
        jitter_seconds = random.uniform(0.0, _MAX_JITTER_SECONDS)  # noqa: S311 - jitter
        self._read_at = time.monotonic() + jitter_seconds
        self._true_since = not_before
        self._generation = resource.metadata.generation
        self._has_secrets = bool(names)
        started, now = time.monotonic(), datetime.now(UTC)
        try:
            connection = resolve_connection(
                resource.spec.queue,
                namespace=namespace,
                secrets=secrets,
                allowed_hosts=self._allowed_hosts,
            )
            check_credentials(resource.spec, secrets)
        except QueueError as error:
            self._unwatch()
            self._error = Measurement(started=started, time=now, result=error)
            return
        self._error = None
        self._follow_connection(connection, build_reference(resource))

    def _follow_connection(self, connection: BrokerConnection, queue: QueueReference) -> None:
        if self._watched == (connection, queue):
            return
        self._unwatch()
        self._watched = (connection, queue)
        self._watch = self._meter.watch(connection, queue, lambda _measurement: self._wake())

    def _unwatch(self) -> None:
        if self._watch is not None:
            self._watch.close()
            self.changes += 1
        self._watch = None
        self._watched = None
