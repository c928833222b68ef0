"""What becomes of items: takes one after the other, and settles each by the retry settings.

    succeeded                        acknowledged
    failed, attempts left            back to the queue, after its back-off
    failed, no attempt left          dead-lettered, or discarded
    its workers were killed too often  the same, without being worked on again
    given back                       released; the attempt does not count
    interrupted, as it was stopped   released; failed where the pod's deadline or probe stopped it
    somebody else has it             nothing: it is theirs to settle

Decides when a worker is done: its quota is settled, nothing was ready for the idle time, or it was
told to stop. One in a pod that is kept warm waits for its first item without end. Knows one item
at a time, and neither commands nor signals nor any broker.
"""

from collections.abc import Callable
from dataclasses import replace

from workqueuejob.brokers.broker import Broker, Delivery
from workqueuejob.contract import exit_codes
from workqueuejob.contract.notices import say
from workqueuejob.contract.settings import WorkerSettings
from workqueuejob.errors import (
    DeadLetterTargetMissing,
    HandlerInvalid,
    LeaseLost,
    PodExhausted,
    SettingsInvalid,
    WorkQueueJobError,
)
from workqueuejob.worker.abilities import Abilities
from workqueuejob.worker.forking import REFUSED
from workqueuejob.worker.item import Item
from workqueuejob.worker.reasons import describe_exhausted, shorten
from workqueuejob.worker.reconnecting import TRANSIENT, ReconnectingBroker
from workqueuejob.worker.report_file import ReportFile
from workqueuejob.worker.stop_cause import StopCause
from workqueuejob.worker.stop_request import StopRequest
from workqueuejob.worker.timing import Timing

SLICE_SECONDS = 0.25
"""How long one call waits for an item, which a signal does not interrupt."""

_OF_THE_POD = (DeadLetterTargetMissing, SettingsInvalid, HandlerInvalid, PodExhausted)
"""Errors that count against `backoffLimit`: the next pod may well end in the same way."""


class Engine:
    """One worker's policy; used by one thread, except for `renew` and `note_stop`.

    held: the item in hand. is_disowned: whether this is a forked child, which may settle nothing.
    on_lost: called, by any thread, when it turns out to be somebody else's.
    on_refused: called before the error is raised that ends the worker while it settles an item.
    """

    def __init__(
        self,
        settings: WorkerSettings,
        open_broker: Callable[[], Broker],
        *,
        stop: StopRequest,
        timing: Timing = Timing(),  # noqa: B008 - a value
    ) -> None:
        self.settings = settings
        self.report = ReportFile(settings.termination_message_path)
        self.held: Item | None = None
        self.is_disowned = False
        self.on_lost: Callable[[], None] = _nothing
        self.on_refused: Callable[[WorkQueueJobError], None] = _nothing
        self._stop = stop
        self.clock = timing.clock
        self._cause = StopCause(settings, stop, clock=timing.clock)
        self.broker = ReconnectingBroker(self._open, timing=timing, on_outage=self.report.note)
        self._open_broker = open_broker
        self._abilities = Abilities()
        self._awaits_first = settings.waits_for_first

    @property
    def is_done(self) -> bool:
        """Whether the quota is settled."""
        quota = self.settings.quota
        return quota is not None and self.report.settled >= quota

    @property
    def exit_code(self) -> int:
        """How a worker ends that has no more to take."""
        stopped_early = self._stop.requested and not self.is_done
        return exit_codes.STOPPED_EARLY if stopped_early else exit_codes.DONE

    def exit_code_after(self, error: WorkQueueJobError) -> int:
        """How a worker ends that can't go on: another pod helps only if this one once worked."""
        if isinstance(error, _OF_THE_POD) or not self.broker.was_connected:
            return exit_codes.FAILED
        return exit_codes.STOPPED_EARLY

    def next(self) -> Item | None:
        """Return an item that is to be worked on, or None when there is no more to take."""
        self._require_owner()
        idle_since = self.clock()
        while not (self.is_done or self._stop.requested):
            idle_since = max(idle_since, self.broker.mended_at)
            rest = idle_since + self.settings.idle_seconds - self.clock()
            item = self._take(self._slice(rest))
            if item is None:
                if not self._abilities.has_share:
                    idle_since = self.clock()
                elif rest <= 0 and not self._awaits_first:
                    return None
            elif item.attempt > self.settings.retry.max_attempts:
                self._give_up_on(item)
                idle_since = self.clock()
            else:
                return item
        return None

    def succeed(self, item: Item) -> bool:
        """Acknowledge; return False if the item is lost."""

        def act(broker: Broker) -> None:
            self._look_ahead(1)
            broker.ack(item.delivery)
            self._let_go(item)
            self.report.succeed()
            if item.delivery.doubtful:
                self.report.add(uncertain=1)

        return self._settle(item, act)

    def fail(self, item: Item, reason: str) -> bool:
        """Retry or dead-letter; return False if the item is lost."""
        if item.is_settled:
            return True
        retry, delivery = self.settings.retry, item.delivery
        reason = shorten(reason)
        if item.attempt >= retry.max_attempts:
            return self._bury(item, delivery, reason, attempts_failed=1)
        delay_seconds = retry.delay_seconds(item.attempt)

        def act(broker: Broker) -> None:
            self._look_ahead(0)
            broker.retry(delivery, reason=reason, delay_seconds=delay_seconds)
            self._let_go(item)
            self.report.let_go(attempts_failed=1)

        if not self._settle(item, act):
            return False
        attempt = f"{item.attempt}/{retry.max_attempts}"
        say("item failed", id=item.id, attempt=attempt, reason=reason, retry_seconds=delay_seconds)
        return True

    def release(self, item: Item) -> bool:
        """Give back; return False if the item is lost."""

        def act(broker: Broker) -> None:
            self._look_ahead(0)
            broker.release(item.delivery)
            self._let_go(item)
            self.report.let_go(released=1)

        return self._settle(item, act)

    def interrupt(self, item: Item) -> bool:
        """Give back what a stop has interrupted, or fail it if the stop is due to the item.

        Return False if the item is lost.
        """
        reason = self._cause.blame_item()
        return self.release(item) if reason is None else self.fail(item, reason)

    def note_stop(self) -> None:
        """Report that the worker was told to stop, once it was; for the keeper's thread."""
        if self._stop.requested:
            self._cause.look()
            with self.broker.lock:
                self.report.stop()

    def extend(self, item: Item) -> None:
        """Renew at once; raise LeaseLost if the item is lost, or settled already."""
        self._require_owner()

        def act(broker: Broker) -> None:
            if not item.is_settled and broker.renew([item.delivery]):
                self._note_lost(item)

        if not item.is_lost:
            self.broker.call(act, give_up=lambda: self._stop.expired)
        if item.is_lost or item.is_settled:
            said = "was settled already" if item.is_settled else "is somebody else's by now"
            raise LeaseLost(f"item {item.id!r} {said}; it can't be extended")

    def renew(self) -> float:
        """Keep hold of what is in hand; return the seconds until this is due again."""
        return self.broker.call_once(self._renew)

    def close(self) -> None:
        """Disconnect; nothing must be in hand, or it is lost."""
        self.broker.close()
        if self._stop.requested:
            self.report.stop()
        self.report.close()

    def disown(self) -> None:
        """In a forked child: settle nothing any more, and leave what the parent uses alone."""
        self.is_disowned = True
        self.report.disown()
        self.broker.disown()

    def _require_owner(self) -> None:
        if self.is_disowned:
            raise RuntimeError(REFUSED)

    def _open(self) -> Broker:
        broker = self._open_broker()
        self._abilities = Abilities(broker)
        return broker

    def _renew(self, broker: Broker) -> float:
        item = self.held
        held = [] if item is None or item.is_lost else [item.delivery]
        # With nothing in hand, too: connections want their heartbeats, fetched items their leases.
        if broker.renew(held) and item is not None:
            self._note_lost(item)
        return broker.renew_seconds

    def _slice(self, rest: float) -> float:
        return SLICE_SECONDS if self._awaits_first else min(max(rest, 0), SLICE_SECONDS)

    def _take(self, timeout_seconds: float) -> Item | None:
        def act(broker: Broker) -> Item | None:
            delivery = broker.take(timeout_seconds=timeout_seconds)
            if delivery is None:
                return None
            self.held = item = Item(self, delivery)
            self._awaits_first = False
            if delivery.lost:
                self.report.take(attempts_lost=1)
            else:
                self.report.take()
            return item

        try:
            return self.broker.call(act, give_up=lambda: self._stop.requested)
        except TRANSIENT:
            return None

    def _give_up_on(self, item: Item) -> None:
        made = item.attempt - 1
        reason = describe_exhausted(item.delivery, made, self.settings.retry)
        self._bury(item, replace(item.delivery, attempt=made), shorten(reason))

    def _bury(self, item: Item, delivery: Delivery, reason: str, **counted: int) -> bool:
        target = self.settings.retry.dead_letter
        counted["discarded" if target is None else "dead_lettered"] = 1
        counted["uncertain"] = int(delivery.doubtful)

        def act(broker: Broker) -> None:
            self._look_ahead(1)
            broker.dead_letter(delivery, reason=reason)
            self._let_go(item)
            self.report.let_go(**counted)

        if not self._settle(item, act):
            return False
        what = "item discarded" if target is None else "item dead-lettered"
        say(what, id=item.id, attempts=delivery.attempt, reason=reason)
        return True

    def _settle(self, item: Item, act: Callable[[Broker], None]) -> bool:
        """Do it, through outages; return False if the item is lost."""
        if item.is_settled or item.is_lost:
            self.held = None if self.held is item else self.held
            return not item.is_lost
        self._require_owner()
        try:
            self.broker.call(act, give_up=lambda: self._stop.expired)
        except LeaseLost:
            self._lose(item)
        except TRANSIENT as error:
            # The grace is over: what the broker still counts as ours comes back by itself.
            say("item not settled, it will be delivered again", id=item.id, error=error)
            self._lose(item)
        except WorkQueueJobError as error:
            self._try_release(item)
            self.on_refused(error)
            raise
        return item.is_settled

    def _look_ahead(self, settling: int) -> None:
        """Tell the broker whether what comes after settling so many would be worked on."""
        quota = self.settings.quota
        is_last = quota is not None and self.report.settled + settling >= quota
        self._abilities.fetch_ahead(wanted=not (is_last or self._stop.requested))

    def _try_release(self, item: Item) -> None:
        # What settles it is refused by the broker; giving it back may not be.
        try:
            with self.broker.lock:
                self._let_go(item)
            self.broker.call(lambda broker: broker.release(item.delivery), give_up=_at_once)
        except WorkQueueJobError as error:
            say("item not released, it will be delivered again", id=item.id, error=error)
        else:
            self.report.let_go(released=1)

    def _let_go(self, item: Item) -> None:
        item.is_settled = True
        self.held = None

    def _lose(self, item: Item) -> None:
        with self.broker.lock:
            self._note_lost(item)
            self.held = None

    def _note_lost(self, item: Item) -> None:
        if item.is_lost:
            return
        item.is_lost = True
        # It is in the other's hand now.
        is_uncertain = self._abilities.is_uncertain(item.delivery)
        self.report.let_go(leases_lost=1, uncertain=int(is_uncertain))
        say("lease lost, the item is somebody else's now", id=item.id, attempt=item.attempt)
        self.on_lost()


def _nothing(*_: object) -> None:
    """Stand for a callback that nobody gave."""


def _at_once() -> bool:
    return True
