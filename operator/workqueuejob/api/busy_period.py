"""What a Continuous run has done between two times of an empty queue."""

from workqueuejob.api.base import Model
from workqueuejob.api.scalars import LargeCount, Timestamp


class CountsBefore(Model):
    """The run's counters when a busy period began."""

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
    """The time from the first item that is seen to a queue that is proved empty."""

    start_time: Timestamp
    """When the first item was seen."""

    end_time: Timestamp | None = None
    """When the queue was empty and the last pod had ended, but for those that are kept and wait.
    Absent: it goes on."""

    items: LargeCount | None = None
    """Items seen in this period: those settled and those that remained."""

    succeeded: LargeCount | None = None
    """Items that were worked on with success."""

    dead_lettered: LargeCount | None = None
    """Items that were dead-lettered. Absent: unknown, or no worker."""

    discarded: LargeCount | None = None
    """Items that were discarded. Absent: unknown, or no worker."""

    waves: LargeCount | None = None
    """Jobs that were created."""

    pods_failed: LargeCount | None = None
    """Pods that failed; compared with spec.backoffLimit."""

    given_up: LargeCount | None = None
    """Busy periods in a row, this one included, that ended because more pods failed than
    spec.backoffLimit allows; the pause before the next one grows with it. Absent: none."""

    before: CountsBefore | None = None
    """The run's counters when the period began, from which the others are counted. Absent once it
    is over."""
