"""What the planner must know of a run's broker, in words that fit every broker.

The defaults are those of most brokers. Pure: read from the spec alone.
"""

from dataclasses import dataclass

from workqueuejob.api import QueueSource
from workqueuejob.brokers.registry import find_room
from workqueuejob.contract.settings import DEFAULT_CONSUMER_TIMEOUT_SECONDS


@dataclass(frozen=True, slots=True)
class Abandonment:
    """When items that a user's own program holds count as abandoned, and how to get them back.

    Of a broker that never gives back what a dead consumer holds.
    seconds: for how long nothing must move. field: by which the user sets it.
    recovery: what to do, as the end of a sentence that begins with the number of items.
    """

    seconds: int
    field: str
    recovery: str


@dataclass(frozen=True, slots=True)
class Traits:
    """One queue and its broker."""

    name: str
    """Of the queue, key or topic."""

    noun: str = "queue"
    """What the broker calls it."""

    starts_at_end: bool = False
    """Whether a run begins with what comes after its start."""

    counts_settled: bool = False
    """Whether the broker counts an item in the same step in which a worker settles it."""

    rests_by_delay: bool = False
    """Whether a failed item rests in a place of its own for each delay."""

    makes_dead_letter_target: bool = False
    """Whether the dead-letter target comes into being with its first item."""

    surplus_timeout_seconds: int | None = None
    """The user's limit for pods that wait at an empty queue; None sets none."""

    consumer_timeout_seconds: int = DEFAULT_CONSUMER_TIMEOUT_SECONDS
    """After which the broker takes back what a consumer has not acknowledged."""

    hides_after_seconds: float | None = None
    """After which a worker may hold an item that the broker does not count any more; None: never.
    """

    consumer_timeout: str = "the broker's consumer timeout"
    """What people know that by."""

    abandonment: Abandonment | None = None
    """None where the broker gives back what a dead consumer held."""

    telling_apart: str = "; let the program exit when the queue is empty, or set spec.worker"
    """How pods that wait could be told from those that work: the end of a sentence."""

    knowing_held: str = "a count of what is in flight"
    """Without which it is not known whether pods hold an item."""

    login_for_url: str | None = None
    """The Secret whose user name and password the kubelet puts into `BROKER_URL`, if any."""

    operator_only: tuple[tuple[str, ...], ...] = ()
    """Paths of fields that pods need not know: a change of these is none of the pods."""


NO_TRAITS = Traits(name="")
"""Of an object that names no broker which is known here, as a newer definition allows."""


def read_traits(queue: QueueSource) -> Traits:
    """Return the traits of `spec.queue`."""
    if queue.broker is None:
        return NO_TRAITS
    traits: Traits = find_room(queue.broker).traits.read_traits(queue.source)
    return traits


def queue_address(queue: QueueSource) -> str:
    """Return broker and queue for people, such as `broker/queue`; never credentials."""
    return f"{queue.broker}/{read_traits(queue).name}" if queue.broker else "unknown"
