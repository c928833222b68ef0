"""What every broker's module offers to the worker; one contract suite holds all to it."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from workqueuejob.brokers.envelope import Envelope


@dataclass(frozen=True, slots=True)
class Delivery:
    """One item, taken and not yet settled.

    id: the same over all attempts of an item where the broker has such a thing, unique anyway.
    attempt: of this item, from 1, this one included.
    redelivered: whether somebody had it before.
    lost: whether the attempt before this one ended without a word, as when its pod was killed.
    lost_attempts: how many of the attempts before this one ended so.
    handle: what the broker's module needs to settle it; a `HasEnvelope`.
    last_failure: why the last attempt that failed did, where the broker remembers it.
    doubtful: whether a worker may have settled and counted it before, and the broker has lost that.
    gone: whether its body was removed from the queue before it was done, so it can't be worked on.
    """

    id: str
    body: bytes
    attempt: int = 1
    redelivered: bool = False
    lost: bool = False
    lost_attempts: int = 0
    handle: Any = field(default=None, repr=False, compare=False)
    last_failure: str = ""
    doubtful: bool = False
    gone: bool = False

    @property
    def failed_attempts(self) -> int:
        """How many of the attempts before this one failed."""
        return self.attempt - 1 - self.lost_attempts

    def read_envelope(self) -> Envelope:
        """Return what the broker keeps of the item besides the body; decodes it each time."""
        handle: HasEnvelope = self.handle
        return handle.read_envelope()


class HasEnvelope(Protocol):
    """A delivery as its broker's module knows it."""

    def read_envelope(self) -> Envelope:
        """Return the item's envelope, as the item arrived.

        Never raises and asks no broker, so any thread may call it, also after the item is settled.
        """
        ...


class Broker(Protocol):
    """A connection to one queue, used by one thread at a time.

    Settling is certain when the method returns: the broker has confirmed it, or `LeaseLost` says
    that the item is somebody else's by now, who will settle it. `BrokerUnavailable` means that
    nothing is known, and that what is held will be delivered again; the next call connects anew.
    """

    def take(self, *, timeout_seconds: float) -> Delivery | None:
        """Return an item, or None when none was ready for so long."""
        ...

    def ack(self, delivery: Delivery) -> None:
        """Settle an item that succeeded."""
        ...

    def retry(self, delivery: Delivery, *, reason: str, delay_seconds: int) -> None:
        """Count a failed attempt; the item becomes ready again after the delay."""
        ...

    def dead_letter(self, delivery: Delivery, *, reason: str) -> None:
        """Move an item to the dead-letter target, or discard it where there is none.

        `delivery` may be a copy whose `attempt` is one less: then nobody has worked on the item
        this time, and the letter tells the attempts that were made.
        """
        ...

    def release(self, delivery: Delivery) -> None:
        """Give an item back at once; this attempt does not count."""
        ...

    def renew(self, held: Collection[Delivery]) -> Collection[Delivery]:
        """Keep hold of items that are being worked on; return those that are lost.

        Called every `renew_seconds` while an item is worked on.
        """
        ...

    @property
    def renew_seconds(self) -> float:
        """How often `renew` wants to be called."""
        ...

    def extend(self, delivery: Delivery) -> None:
        """Keep hold of an item, and return once the broker has said that it is still held.

        Raises LeaseLost if it is not, and BrokerUnavailable if the broker does not answer.
        """
        ...

    def close(self) -> None:
        """Give back what was fetched but not taken, and disconnect; never raises."""
        ...


@runtime_checkable
class FetchesAhead(Protocol):
    """What a broker has besides if acknowledging an item may bring the next one.

    fetch_ahead: set before an item is settled. True: another one is wanted. False: this may have
        been the last one, and whatever came now would have to be given back.
    """

    fetch_ahead: bool


@runtime_checkable
class Delivering(Protocol):
    """What a broker has besides if it delivers items before they are asked for.

    most_held: set before an item is taken or settled: how many items may yet be settled here, those
        in hand included. No more should be fetched. None: any number.
    """

    most_held: int | None

    def return_untaken(self) -> None:
        """Give back what was delivered and not taken; deliver no more until the next `take`."""
        ...


@runtime_checkable
class Doubting(Protocol):
    """What a broker has besides if it may not answer what settles an item."""

    def is_uncertain(self, delivery: Delivery) -> bool:
        """Whether an item that is lost may have been settled here, or come back unseen."""
        ...


@runtime_checkable
class Apportioned(Protocol):
    """What a broker has besides if it shares a queue out between its workers.

    has_share: whether there is something to take from. While there is not, what is left may be
        ours to do as soon as somebody hands it over, and to wait for that is not to be idle.
    """

    @property
    def has_share(self) -> bool:
        """False while others have all there is."""
        ...


@runtime_checkable
class Inherited(Protocol):
    """What a broker has besides if a forked child of its process can't even free its client."""

    def abandon(self) -> None:
        """In such a child: see to it that nothing of the client runs there any more."""
        ...
