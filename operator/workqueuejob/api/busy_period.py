"""What a Continuous run has done between two times of an empty queue."""

from workqueuejob.api.base import Model
from workqueuejob.api.scalars import LargeCount, Timestamp


class CountsBefore(Model):
    """The run's counters at the start of a busy period."""

    succeeded: LargeCount = 0
    """Value of items.succeeded at the start of the period."""

    dead_lettered: LargeCount = 0
    """Value of items.deadLettered at the start of the period."""

    discarded: LargeCount = 0
    """Value of items.discarded at the start of the period."""

    waves: LargeCount = 0
    """Value of waves at the start of the period."""

    pods_failed: LargeCount = 0
    """Value of pods.failed at the start of the period."""


class BusyPeriod(Model):
    """What happened from the first item that the operator saw until the queue was proved empty."""

    start_time: Timestamp
    """When the operator saw the first item."""

    end_time: Timestamp | None = None
    """When the queue was empty and the last pod had ended. Pods that autoscale.minParallelism keeps
    may still wait. Absent: the busy period goes on."""

    items: LargeCount | None = None
    """How many items were seen in this busy period, settled and remaining."""

    succeeded: LargeCount | None = None
    """How many items succeeded."""

    dead_lettered: LargeCount | None = None
    """How many items were dead-lettered. Absent: unknown, or no worker."""

    discarded: LargeCount | None = None
    """How many items were discarded. Absent: unknown, or no worker."""

    waves: LargeCount | None = None
    """How many Jobs were created."""

    pods_failed: LargeCount | None = None
    """How many pods failed. The operator compares it with spec.backoffLimit."""

    given_up: LargeCount | None = None
    """How many busy periods in a row, this one included, ended because more pods failed than
    spec.backoffLimit allows. The pause before the next busy period grows with this number. Absent:
    none."""

    before: CountsBefore | None = None
    """The run's counters when the busy period began. The other numbers are the differences to
    these. Absent after the busy period has ended."""
