"""When a worker takes an item, and when it is done; `settlement` decides what becomes of the item.

A worker is done when its quota is settled, when nothing was ready for the idle time, or when it is
stopped. A worker in a pod that is kept warm waits for its first item without end. It has as many
items in hand as the settings allow, and no more than its quota lacks. An item whose last attempt
was lost with its pod may be what killed the pod, so it is worked on alone: it waits for the end of
the others, and no other is taken until it is settled. Knows no commands, no signals and no
particular broker.
"""

from collections.abc import Callable

from workqueuejob.brokers.broker import Broker, Delivery
from workqueuejob.contract import exit_codes
from workqueuejob.contract.notices import say
from workqueuejob.contract.settings import WorkerSettings
from workqueuejob.errors import (
    DeadLetterTargetMissing,
    HandlerInvalid,
    PodExhausted,
    SettingsInvalid,
    WorkQueueJobError,
)
from workqueuejob.worker.item import Item
from workqueuejob.worker.reconnecting import TRANSIENT, ReconnectingBroker, Timing
from workqueuejob.worker.report_file import ReportFile
from workqueuejob.worker.settlement import Settlement
from workqueuejob.worker.stop_cause import StopCause
from workqueuejob.worker.stop_request import StopRequest

SLICE_SECONDS = 0.25
"""How long one call waits for an item, which a signal does not interrupt."""

STALLED = (
    "the process was kept from running, and another worker got its item meanwhile: the node froze"
    " it, or a library in C did not release Python's interpreter (the GIL); do such work in a"
    " command or in a process of its own, or let items be held for longer (leaseSeconds)"
)

_OF_THE_POD = (DeadLetterTargetMissing, SettingsInvalid, HandlerInvalid, PodExhausted)
"""Errors that count against `backoffLimit`, because the next pod may well end in the same way."""


class Engine:
    """Takes items for one worker, in one thread; others call `renew` and `note_stop`.

    settlement: settles the items that `next` and `look` return.
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
        self.clock = timing.clock
        self.report = ReportFile(settings.termination_message_path, lacks=settings.lacks)
        self.broker = ReconnectingBroker(open_broker, timing=timing, on_outage=self.report.note)
        self._stop = stop
        self._cause = StopCause(settings, stop, clock=timing.clock)
        self.settlement = Settlement(
            settings, broker=self.broker, report=self.report, stop=stop, cause=self._cause
        )
        self._awaits_first = settings.waits_for_first
        self._waiting: Item | None = None

    @property
    def is_done(self) -> bool:
        """Whether the quota is settled."""
        return self.settlement.count_missing() == 0

    @property
    def exit_code(self) -> int:
        """The exit code of a worker that has no more to take."""
        stopped_early = self._stop.requested and not self.is_done
        return exit_codes.STOPPED_EARLY if stopped_early else exit_codes.DONE

    def exit_code_after(self, error: WorkQueueJobError) -> int:
        """Return the exit code of a worker that an error ends.

        A worker that never reached its broker has failed, because another pod would fail, too.
        """
        if isinstance(error, _OF_THE_POD) or not self.broker.was_connected:
            return exit_codes.FAILED
        return exit_codes.STOPPED_EARLY

    @property
    def has_room(self) -> bool:
        """Whether another item may be taken beside those in hand."""
        held, missing = len(self.settlement.held), self.settlement.count_missing()
        is_wanted = missing is None or held < missing
        is_wanted = is_wanted and not (self._stop.requested or self.settlement.holds_lone())
        return held < self.settings.concurrency and is_wanted

    @property
    def begun(self) -> tuple[Item, ...]:
        """The items in hand, without the one that waits for the end of the others."""
        return tuple(item for item in self.settlement.held if item is not self._waiting)

    def look(self, timeout_seconds: float) -> Item | None:
        """Return another item beside those in hand; None if there is no room, or none was ready.

        None also for one that is worked on alone; `next` returns it.
        """
        self.settlement.require_owner()
        item = self._take(timeout_seconds) if self.has_room else None
        if item is None or not self._is_workable(item):
            return None
        if self._is_lone(item.delivery):
            self._waiting = item
            return None
        return item

    def next(self) -> Item | None:
        """Return an item that is to be worked on, or None when there is no more to take.

        Nothing that was begun may be in hand.
        """
        self.settlement.require_owner()
        if (item := self._end_wait()) is not None:
            return item
        idle_since = self.clock()
        while not (self.is_done or self._stop.requested):
            idle_since = max(idle_since, self.broker.mended_at)
            rest_seconds = idle_since + self.settings.idle_seconds - self.clock()
            item = self._take(self._slice_seconds(rest_seconds))
            if item is None:
                if not self.broker.capabilities.has_share:
                    idle_since = self.clock()
                elif rest_seconds <= 0 and not self._awaits_first:
                    return None
            elif self._is_workable(item):
                return item
            else:
                idle_since = self.clock()
        return None

    def note_stop(self) -> None:
        """Report a stop that was requested; called by the lease renewer's thread."""
        if self._stop.requested:
            self._cause.look()
            with self.broker.lock:
                self.report.stop()

    def renew(self, *, late_seconds: float = 0.0) -> float:
        """Renew the leases of the items in hand; return the seconds until this is due again.

        late_seconds: how much later than due this is.
        """
        return self.broker.call_once(lambda broker: self._renew(broker, late_seconds))

    def close(self) -> None:
        """Disconnect; items that are still in hand are lost, but for one that was not begun."""
        item, self._waiting = self._waiting, None
        if item is not None and not item.is_lost:
            self.settlement.try_release(item)
        self.broker.close()
        if self._stop.requested:
            self.report.stop()
        self.report.close()

    def disown(self) -> None:
        """In a forked child: settle nothing any more, and leave what the parent uses alone."""
        self.settlement.is_disowned = True
        self.report.disown()
        self.broker.disown()

    def _renew(self, broker: Broker, late_seconds: float) -> float:
        items = [item for item in self.settlement.held if not item.is_lost]
        # Also with nothing in hand: connections need heartbeats, and fetched items their leases.
        lost = {id(delivery) for delivery in broker.renew([item.delivery for item in items])}
        if lost:
            for item in items:
                if id(item.delivery) in lost:
                    self.settlement.note_lost(item)
            if late_seconds > broker.renew_seconds:
                say(
                    "leases were not renewed in time",
                    late_seconds=f"{late_seconds:.1f}",
                    why=STALLED,
                )
                self.report.note(STALLED)
        return broker.renew_seconds

    def _slice_seconds(self, rest_seconds: float) -> float:
        return SLICE_SECONDS if self._awaits_first else min(max(rest_seconds, 0), SLICE_SECONDS)

    def _is_workable(self, item: Item) -> bool:
        """Return whether an item may be tried; one that may not is put aside."""
        delivery, retry = item.delivery, self.settings.retry
        failed, lost = delivery.failed_attempts, delivery.lost_attempts
        if delivery.gone or retry.is_exhausted(failed=failed, lost=lost):
            self.settlement.give_up_on(item)
            return False
        return True

    def _is_lone(self, delivery: Delivery) -> bool:
        return delivery.lost and self.settings.concurrency > 1

    def _end_wait(self) -> Item | None:
        """Return the item that has waited, if it may still be worked on."""
        item, self._waiting = self._waiting, None
        if item is not None and (item.is_lost or self._stop.requested):
            self.settlement.release(item)
            return None
        return item

    def _take(self, timeout_seconds: float) -> Item | None:
        def act(broker: Broker) -> Item | None:
            self.broker.capabilities.limit(self.settlement.count_missing())
            delivery = broker.take(timeout_seconds=timeout_seconds)
            if delivery is None:
                return None
            if self._is_lone(delivery):
                # What waits behind it here would be lost with it, too.
                self.broker.capabilities.return_untaken()
            item = Item(self.settlement, delivery)
            self.settlement.held.append(item)
            self._awaits_first = False
            if delivery.lost:
                self.report.take(attempts_lost=1)
            else:
                self.report.take()
            return item

        try:
            item = self.broker.call(act, give_up=lambda: self._stop.requested)
        except TRANSIENT:
            return None
        if item is not None and self._is_lone(item.delivery):
            say("item is worked on alone, its last attempt was lost with its worker", id=item.id)
        return item
