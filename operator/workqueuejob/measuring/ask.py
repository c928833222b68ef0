"""A question about a queue, and what may come of it. Values only."""

from collections.abc import Hashable
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from workqueuejob.brokers.depth import QueueDepth
from workqueuejob.errors import QueueError
from workqueuejob.measuring.watched import WatchedQueue

QueueT = TypeVar("QueueT", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Unchanged:
    """A glance found nothing new, so the latest measurement still says what there is."""


UNCHANGED = Unchanged()
Answer = QueueDepth | QueueError | Unchanged


@dataclass(eq=False, slots=True)
class Ask(Generic[QueueT]):
    """One question that was taken from a line.

    queue: what is measured.
    is_requested: whether a watcher waits for a new measurement.
    is_glance: whether it is enough to learn that nothing has changed.
    started, time: as in a Measurement.
    next_at: when the queue's next regular question is due.
    """

    queue: QueueT
    watched: WatchedQueue
    is_requested: bool
    is_glance: bool
    started: float
    time: datetime
    next_at: float
