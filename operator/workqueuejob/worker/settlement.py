"""What becomes of an item in hand, by how its work ended and by the retry settings.

    succeeded                          acknowledged
    failed, attempts left              back to the queue, after its back-off
    failed for good or the last time   dead-lettered, or discarded
    its workers were killed too often  dead-lettered, or discarded, without another attempt
    given back                         released; the attempt does not count
    interrupted by a stop              released; failed where deadline or container probe stopped it
    another worker has it              nothing: the other worker settles it

Each of these but the last settles the delivery. Success, a dead letter and a discard settle the
item as well: it does not come again.

An outage of the broker delays a settlement until the worker's grace is over. Takes no items.
"""

from collections.abc import Callable
from dataclasses import replace

from workqueuejob.brokers.broker import Broker, Delivery
from workqueuejob.contract.notices import say
from workqueuejob.contract.settings import WorkerSettings
from workqueuejob.errors import HeadersTooLarge, LeaseLost, WorkQueueJobError
from workqueuejob.worker.forking import REFUSED
from workqueuejob.worker.item import Item
from workqueuejob.worker.reasons import describe_exhausted, shorten
from workqueuejob.worker.reconnecting import TRANSIENT, ReconnectingBroker
from workqueuejob.worker.report_file import ReportFile
from workqueuejob.worker.stop_cause import StopCause
from workqueuejob.worker.stop_request import StopRequest


class Settlement:
    """Settles the items of one worker, each by one thread.

    held: the items in hand, oldest first; changed under the broker's lock.
    is_disowned: whether this is a forked child, which may settle nothing.
    on_lost: called, by any thread, when another worker has taken over an item in hand.
    on_refused: called before the error is raised that ends the worker while it settles an item.
    """

    def __init__(
        self,
        settings: WorkerSettings,
        *,
        broker: ReconnectingBroker,
        report: ReportFile,
        stop: StopRequest,
        cause: StopCause,
    ) -> None:
        self.held: list[Item] = []
        self.is_disowned = False
        self.on_lost: Callable[[], None] = lambda: None
        self.on_refused: Callable[[WorkQueueJobError], None] = lambda _: None
        self._retry = settings.retry
        self._quota = settings.quota
        self._broker = broker
        self._report = report
        self._stop = stop
        self._cause = cause

    @property
    def is_stopping(self) -> bool:
        """Whether a stop was requested."""
        return self._stop.requested

    def count_missing(self, *, settling: int = 0) -> int | None:
        """Return how many items are still to be settled after so many more; None: no quota."""
        quota, settled = self._quota, self._report.settled + settling
        return None if quota is None else max(quota - settled, 0)

    def holds_lone(self, *, besides: Item | None = None) -> bool:
        """Return whether an item in hand is worked on alone, because its last attempt was lost."""
        return any(item.delivery.lost and item is not besides for item in tuple(self.held))

    def succeed(self, item: Item) -> bool:
        """Acknowledge the item; return False if it is lost."""

        def act(broker: Broker) -> None:
            self._announce_next(item, settling=1)
            broker.ack(item.delivery)
            self._let_go(item)
            self._report.succeed()
            if item.delivery.doubtful:
                self._report.add(uncertain=1)

        return self._settle(item, act)

    def fail(
        self, item: Item, reason: str, *, retry: bool = True, delay_seconds: float | None = None
    ) -> bool:
        """Retry or dead-letter the item; return False if it is lost.

        retry: whether it may be tried again. delay_seconds: the rest before that; None leaves it to
            the settings.
        Raises ValueError for a rest that no item may have.
        """
        delivery = item.delivery
        failed = delivery.failed_attempts + 1
        delay_seconds = self._retry.choose_delay_seconds(failed, delay_seconds)
        if item.is_settled:
            return True
        reason = shorten(reason)
        if not retry or failed >= self._retry.max_attempts:
            return self._bury(item, delivery, reason, attempts_failed=1)

        def put_back(broker: Broker) -> None:
            broker.retry(delivery, reason=reason, delay_seconds=delay_seconds)

        try:
            if not self._move(item, put_back, attempts_failed=1):
                return False
        except HeadersTooLarge as error:
            # Without a count of its attempts it would be tried for ever.
            reason = shorten(f"{reason}; not tried again, because {error}")
            return self._bury(item, delivery, reason, attempts_failed=1)
        attempt = f"{failed}/{self._retry.max_attempts}"
        say("item failed", id=item.id, attempt=attempt, reason=reason, retry_seconds=delay_seconds)
        return True

    def give_up_on(self, item: Item) -> bool:
        """Dead-letter an item without another attempt; return False if it is lost.

        It came once more after its last attempt, or its body is gone.
        """
        reason = describe_exhausted(item.delivery, self._retry)
        delivery = replace(item.delivery, attempt=item.attempt - 1)
        return self._bury(item, delivery, shorten(reason))

    def release(self, item: Item) -> bool:
        """Give the item back; return False if it is lost."""
        return self._move(item, lambda broker: broker.release(item.delivery), released=1)

    def interrupt(self, item: Item) -> bool:
        """Give back what a stop has interrupted, or fail it if the stop is due to the item.

        Return False if the item is lost.
        """
        reason = self._cause.blame_item()
        return self.release(item) if reason is None else self.fail(item, reason)

    def extend(self, item: Item) -> None:
        """Renew at once; raise LeaseLost if the item is lost, or settled already."""
        self.require_owner()

        def act(broker: Broker) -> None:
            if item.is_settled:
                return
            try:
                broker.extend(item.delivery)
            except LeaseLost:
                self.note_lost(item)

        if not item.is_lost:
            self._broker.call(act, give_up=lambda: self._stop.expired)
        if item.is_lost or item.is_settled:
            state = "was settled already" if item.is_settled else "is somebody else's by now"
            raise LeaseLost(f"item {item.id!r} {state}; it can't be extended")

    def note_lost(self, item: Item) -> None:
        """Count an item that another worker has taken over; the caller holds the broker's lock."""
        if item.is_lost:
            return
        item.is_lost = True
        # The other worker has it in hand, so the report must not say that this one does.
        is_uncertain = self._broker.capabilities.is_uncertain(item.delivery)
        self._report.let_go(leases_lost=1, uncertain=int(is_uncertain))
        say("lease lost, the item is somebody else's now", id=item.id, attempt=item.attempt)
        self.on_lost()

    def require_owner(self) -> None:
        """Raise RuntimeError in a forked child."""
        if self.is_disowned:
            raise RuntimeError(REFUSED)

    def _bury(self, item: Item, delivery: Delivery, reason: str, **counted: int) -> bool:
        target = self._retry.dead_letter
        counted["discarded" if target is None else "dead_lettered"] = 1
        counted["uncertain"] = int(delivery.doubtful)

        def put_aside(broker: Broker) -> None:
            broker.dead_letter(delivery, reason=reason)

        if not self._move(item, put_aside, settling=1, **counted):
            return False
        outcome = "item discarded" if target is None else "item dead-lettered"
        say(outcome, id=item.id, attempts=delivery.attempt, reason=reason)
        return True

    def _move(
        self, item: Item, move: Callable[[Broker], None], *, settling: int = 0, **counted: int
    ) -> bool:
        """Settle the delivery by `move`, and report what became of it; False if it is lost."""

        def act(broker: Broker) -> None:
            self._announce_next(item, settling=settling)
            move(broker)
            self._let_go(item)
            self._report.let_go(**counted)

        return self._settle(item, act)

    def _settle(self, item: Item, act: Callable[[Broker], None]) -> bool:
        """Call `act`, through outages; return False if the item is lost."""
        if item.is_settled or item.is_lost:
            with self._broker.lock:
                self._put_down(item)
            return not item.is_lost
        self.require_owner()
        try:
            self._broker.call(
                # Another thread may have settled it meanwhile, because its time was over.
                lambda broker: None if item.is_settled else act(broker),
                give_up=lambda: self._stop.expired,
            )
        except LeaseLost:
            self._lose(item)
        except TRANSIENT as error:
            # The grace is over. What the broker still counts as held here comes back by itself.
            say("item not settled, it will be delivered again", id=item.id, error=error)
            self._lose(item)
        except HeadersTooLarge:
            raise
        except WorkQueueJobError as error:
            self.try_release(item)
            self.on_refused(error)
            raise
        return item.is_settled

    def _announce_next(self, item: Item, *, settling: int) -> None:
        """Tell the broker whether another item is wanted, besides those in hand, after this one."""
        missing, capabilities = self.count_missing(settling=settling), self._broker.capabilities
        has_room = missing is None or missing >= len(self.held)
        is_last = self._stop.requested or self.holds_lone(besides=item)
        capabilities.limit(missing)
        capabilities.fetch_ahead(wanted=has_room and not is_last)

    def try_release(self, item: Item) -> None:
        """Give the item back, unless the broker is away or refuses that, too."""
        try:
            with self._broker.lock:
                self._let_go(item)
            self._broker.call(lambda broker: broker.release(item.delivery), give_up=lambda: True)
        except WorkQueueJobError as error:
            say("item not released, it will be delivered again", id=item.id, error=error)
        else:
            self._report.let_go(released=1)

    def _let_go(self, item: Item) -> None:
        item.is_settled = True
        self._put_down(item)

    def _put_down(self, item: Item) -> None:
        if item in self.held:
            self.held.remove(item)

    def _lose(self, item: Item) -> None:
        with self._broker.lock:
            self.note_lost(item)
            self._put_down(item)
