"""What every rule is given: one observation, what is known around it, and the time."""

from dataclasses import dataclass
from datetime import datetime

from workqueuejob.api import CountsBefore, WorkQueueJobSpec
from workqueuejob.api.spec import RunPolicy
from workqueuejob.brokers.depth import QueueDepth
from workqueuejob.brokers.traits import read_traits
from workqueuejob.planning.evidence.evidence import Evidence
from workqueuejob.planning.evidence.proof import (
    RETURN_SECONDS,
    SEVERAL_READS,
    Streak,
    choose_proof_seconds,
)
from workqueuejob.planning.ledger.books import Books
from workqueuejob.planning.ledger.periods import count_failed, counts_before
from workqueuejob.planning.ledger.run import Ledger
from workqueuejob.planning.observing.observed import Observed, ObservedJob
from workqueuejob.planning.sizing.autoscale import Scaling, count_kept


@dataclass(frozen=True, slots=True)
class Situation:
    """One observation, all that is known around it, and the time."""

    observed: Observed
    """What was seen now."""

    books: Books
    """What the run has done so far, by that."""

    evidence: Evidence
    """Since when things have been so."""

    scaling: Scaling | None
    """How many pods are wanted; None where all that are allowed are."""

    now: datetime
    """The time of this reconcile."""

    @property
    def spec(self) -> WorkQueueJobSpec:
        """What the user asks for."""
        return self.observed.resource.spec

    @property
    def jobs(self) -> tuple[ObservedJob, ...]:
        """The Jobs of the run."""
        return self.observed.jobs

    @property
    def ledger(self) -> Ledger:
        """The run's waves and pods so far."""
        return self.books.ledger

    @property
    def depth(self) -> QueueDepth:
        """The queue's depth; only rules that come after the one for unknown depths may ask."""
        depth = self.observed.depth
        if depth is None:
            msg = "a rule asked for the depth of a queue that was not measured"
            raise AssertionError(msg)
        return depth

    @property
    def read(self) -> float:
        """When the queue's measurement began, by the monotonic clock; see `depth`."""
        measurement = self.observed.measurement
        if measurement is None:
            msg = "a rule asked for the measurement of a queue that was not measured"
            raise AssertionError(msg)
        return measurement.started

    @property
    def has_workers(self) -> bool:
        """Whether the project's worker takes the items, and not the user's program itself."""
        return self.spec.worker is not None

    @property
    def is_return_expected(self) -> bool:
        """Whether the queue may not show an item yet, as that of a worker killed just now."""
        may_hide = self.depth.consumers is not None and self.ledger.counted.uncertain > 0
        return may_hide and not self.lasts(self.evidence.quiet, seconds=RETURN_SECONDS)

    @property
    def most(self) -> int:
        """How many pods may run: all that are allowed, or fewer where fewer are wanted."""
        return self.spec.parallelism if self.scaling is None else self.scaling.most

    @property
    def kept(self) -> int:
        """How many pods are kept although nothing is ready."""
        return count_kept(self.spec)

    @property
    def proof_seconds(self) -> float:
        """The seconds for which numbers must agree before pods are ended because of them."""
        return choose_proof_seconds(self.depth)

    @property
    def is_continuous(self) -> bool:
        """Whether the run goes on when its queue is empty."""
        return self.spec.run_policy is RunPolicy.CONTINUOUS

    @property
    def is_busy(self) -> bool:
        """Whether a busy period goes on, or a wave was made that is not recorded yet."""
        status = self.observed.resource.status
        recorded = status.waves or 0
        is_unrecorded = any(job.wave > recorded and not job.is_warm for job in self.jobs)
        return status.current_busy_period is not None or is_unrecorded

    @property
    def before(self) -> CountsBefore:
        """The counters at the start of the busy period; zeros where the run has no periods."""
        return counts_before(self.observed.resource)

    @property
    def periods_given_up(self) -> int:
        """Busy periods in a row that ended because too many pods failed."""
        last = self.observed.resource.status.last_busy_period
        return (last.given_up or 0) if last else 0

    @property
    def pods_failed(self) -> int:
        """The failed pods that count towards `backoffLimit`."""
        return count_failed(self.observed.resource, self.ledger)

    @property
    def is_dead_letter_target_missing(self) -> bool:
        """Whether the queue or topic for dead letters is missing, so that no item may be tried.

        Some brokers make it by themselves.
        """
        is_made = read_traits(self.spec.queue).makes_dead_letter_target
        is_wanted = not is_made and self.spec.dead_letter_name is not None
        return is_wanted and self.depth.dead_lettered is None

    @property
    def futile_waves(self) -> int:
        """Consecutive waves without progress so far."""
        return self.observed.resource.status.waves_without_progress or 0

    def lasts(self, streak: Streak | None, *, seconds: float) -> bool:
        """Return whether a streak lasts for so long, and was read so often, that it may be used."""
        return streak is not None and streak.lasts(seconds=seconds, reads=SEVERAL_READS)
