"""One item in a worker's hand, as a user's program sees it; `settlement` decides its outcome."""

import sys
import traceback
from collections.abc import Mapping
from datetime import datetime
from types import TracebackType
from typing import Any, NoReturn, Protocol

from workqueuejob.brokers.broker import Delivery
from workqueuejob.brokers.envelope import Envelope
from workqueuejob.errors import LeaseLost, WorkQueueJobError
from workqueuejob.worker.interruptions import Interrupted, TimedOut


class Settler(Protocol):
    """What settles items: `settlement.Settlement`.

    is_disowned: whether this is a forked child of the worker's process.
    """

    is_disowned: bool

    @property
    def is_stopping(self) -> bool:
        """Whether the worker is to stop."""
        ...

    def succeed(self, item: "Item") -> bool:
        """Acknowledge."""
        ...

    def fail(
        self, item: "Item", reason: str, *, retry: bool = True, delay_seconds: float | None = None
    ) -> bool:
        """Retry or dead-letter."""
        ...

    def release(self, item: "Item") -> bool:
        """Give back."""
        ...

    def interrupt(self, item: "Item") -> bool:
        """Give back what a stop has interrupted."""
        ...

    def extend(self, item: "Item") -> None:
        """Renew the lease."""
        ...


class Item:
    """An item to work on.

    Settle it in one of four ways: let the loop's body end (or the block of `with item:`), which
    acknowledges it, or call `ack`, `fail` or `release`. Once it is settled the others do nothing.

        for item in worker:
            with item:
                convert(item.body)

    An exception in the block fails the item, is written to stderr, and goes no further, so that the
    loop takes the next item. KeyboardInterrupt releases the item and goes on.

    is_lost: whether another worker has taken it over; then it can't be settled here any more.
    is_settling: whether its work has ended, so that no exception may be raised in it any more.
    is_settled: whether this delivery of it was settled here, also by a retry or by giving it back.
    """

    __slots__ = ("_envelope", "_settler", "delivery", "is_lost", "is_settled", "is_settling")

    def __init__(self, settler: Settler, delivery: Delivery) -> None:
        self._settler = settler
        self.delivery = delivery
        self._envelope: Envelope | None = None
        self.is_lost = False
        self.is_settled = self.is_settling = False

    @property
    def id(self) -> str:
        """The name of the item in logs; the same in all attempts where the broker keeps one."""
        return self.delivery.id

    @property
    def body(self) -> bytes:
        """What the producer sent; empty for a tombstone, too (`is_tombstone`)."""
        return self.delivery.body

    @property
    def text(self) -> str:
        """The body decoded as UTF-8; raises UnicodeDecodeError where it is not UTF-8."""
        return self.delivery.body.decode()

    @property
    def attempt(self) -> int:
        """How often the item was tried, this attempt included: 1 the first time."""
        return self.delivery.attempt

    @property
    def redelivered(self) -> bool:
        """Whether a worker had the item before, whatever came of it."""
        return self.delivery.redelivered

    @property
    def envelope(self) -> Envelope:
        """All that the broker keeps of the item besides its body; the same in all attempts.

        It is decoded when the program asks for it first. docs/worker.md says what each broker has.
        """
        if self._envelope is None:
            self._envelope = self.delivery.read_envelope()
        return self._envelope

    @property
    def headers(self) -> Mapping[str, Any]:
        """The producer's headers by name, read-only; empty where the broker keeps none.

        The values are what the broker has: bytes at brokers whose headers have no types. Of headers
        with one name this is the last value. A value that can't be decoded is None.
        """
        return self.envelope.headers

    @property
    def properties(self) -> Mapping[str, Any]:
        """What else the broker keeps of the item, by the broker's own names; read-only."""
        return self.envelope.properties

    @property
    def key(self) -> bytes | None:
        """The key of a record in a log; None if it has none, or the broker has no keys."""
        return self.envelope.key

    @property
    def content_type(self) -> str | None:
        """The type of the body, such as `application/json`; None if the producer named none."""
        return self.envelope.content_type

    @property
    def enqueued_at(self) -> datetime | None:
        """When the item was added to its queue, with a time zone; None if that is unknown.

        It is by the clock of the producer or of the broker, as the broker keeps it.
        """
        return self.envelope.enqueued_at

    @property
    def is_tombstone(self) -> bool:
        """Whether the item has no body at all, as a record that deletes its key in a log."""
        return self.envelope.is_tombstone

    def ack(self) -> bool:
        """Settle the item as done; return False if it is lost: then another worker does it again.

        This may fetch the next item, which then waits for the loop to ask for it.
        """
        self.is_settling = True
        return self._settler.succeed(self)

    def fail(self, reason: str, *, retry: bool = True, delay_seconds: float | None = None) -> bool:
        """Count a failed attempt: the item is tried again after its back-off, or dead-lettered.

        reason: a line for the person who reads the dead letter.
        retry: False puts the item aside at once, because another attempt would fail as well.
        delay_seconds: the rest before the next attempt, from 0 to 86,400, in place of the back-off.
            Some brokers round it up (docs/worker.md). The attempt counts.
        Returns False if the item is lost. Raises ValueError for another delay.
        """
        self.is_settling = True
        return self._settler.fail(self, reason, retry=retry, delay_seconds=delay_seconds)

    def release(self) -> bool:
        """Give the item back at once, without counting this attempt; return False if it is lost."""
        self.is_settling = True
        return self._settler.release(self)

    def extend(self) -> None:
        """Renew the lease at once; raises LeaseLost if another worker has taken the item over.

        It returns after the broker has answered. Where the broker gives up a connection without an
        answer, it waits for at most 20 seconds, and then the item is lost.

        Not needed to keep the item: a thread renews the lease for as long as the work takes. Call
        it before a step that can't be undone.
        """
        self._settler.extend(self)

    def __enter__(self) -> "Item":
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _trace: TracebackType | None,
    ) -> bool:
        return self.conclude(error)

    def conclude(self, error: BaseException | None) -> bool:
        """Settle the item by how its work ended; return whether the error goes no further.

        error: what the work raised; None if it is done.
        """
        self.is_settling = True
        if error is None:
            self.ack()
            return False
        if self._settler.is_disowned:
            # The item and the loop are the parent's, so the child must not go on with them.
            return False
        is_exit = isinstance(error, SystemExit)
        if isinstance(error, Interrupted) or (is_exit and self._settler.is_stopping):
            self._settler.interrupt(self)
            return False
        if isinstance(error, KeyboardInterrupt) or ends_worker(error):
            self.release()
            return False
        goes_no_further = isinstance(error, Exception | TimedOut)
        if goes_no_further:
            traceback.print_exception(error, file=sys.stderr)
        self.fail(describe(error))
        return goes_no_further

    def __reduce__(self) -> NoReturn:
        raise TypeError("an item can't be sent to another process; send item.body")

    def __repr__(self) -> str:
        return f"Item(id={self.id!r}, attempt={self.attempt}, {len(self.body)} bytes)"


def ends_worker(error: BaseException) -> bool:
    """Return whether the worker failed, and not the work."""
    return isinstance(error, WorkQueueJobError) and not isinstance(error, LeaseLost)


def describe(error: BaseException) -> str:
    """Return an exception as one line without its traceback, such as `ValueError: no number`."""
    if isinstance(error, TimedOut):
        return str(error)
    message = " ".join(str(error).split())
    return f"{type(error).__name__}: {message}" if message else type(error).__name__
