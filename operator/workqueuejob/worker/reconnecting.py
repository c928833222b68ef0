"""A broker that survives its outages: connects late, connects again, and is used under one lock.

A transient error is tried again with a back-off for as long as it takes, and logged once for each
outage. A broker that refuses one thing may do another: a full one still renews leases. So while
calls wait, only the success of the last of them ends the outage. Any other error is raised, because
waiting does not mend wrong credentials. Knows nothing of what becomes of an item.
"""

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from workqueuejob.brokers.broker import (
    Apportioned,
    Broker,
    Delivering,
    Delivery,
    Doubting,
    FetchesAhead,
    Inherited,
)
from workqueuejob.contract.notices import say
from workqueuejob.errors import BrokerUnavailable, ConnectionFailed, MeasurementUnreliable

TRANSIENT = (BrokerUnavailable, ConnectionFailed, MeasurementUnreliable)
"""What a broker that restarts, fails over or lost a node answers with."""

FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 10.0
STEP_SECONDS = 0.25
"""How long a signal may go unnoticed: a sleep goes on after its handler has run."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Timing:
    """The clock and the sleep of a worker, which tests replace together.

    clock: returns seconds that only grow. sleep: lets that many seconds pass.
    """

    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


class Capabilities:
    """What a connected broker can do besides moving items; without a broker, nothing of it.

    Some brokers divide a queue between its workers. Some may leave a settlement without an answer.
    With most, acknowledging an item may bring the next one.
    """

    def __init__(self, broker: Broker | None = None) -> None:
        self._fetches_ahead = broker if isinstance(broker, FetchesAhead) else None
        self._delivering = broker if isinstance(broker, Delivering) else None
        self._apportioned = broker if isinstance(broker, Apportioned) else None
        self._doubting = broker if isinstance(broker, Doubting) else None

    @property
    def has_share(self) -> bool:
        """Whether there is something to take from; False while other workers have all there is."""
        return self._apportioned is None or self._apportioned.has_share

    def fetch_ahead(self, *, wanted: bool) -> None:
        """Tell the broker whether the item that a settlement may bring would be worked on."""
        if self._fetches_ahead is not None:
            self._fetches_ahead.fetch_ahead = wanted

    def limit(self, most_held: int | None) -> None:
        """Tell the broker how many items may yet be settled, those in hand included."""
        if self._delivering is not None:
            self._delivering.most_held = most_held

    def return_untaken(self) -> None:
        """Let the broker have back what it has delivered and was not taken."""
        if self._delivering is not None:
            self._delivering.return_untaken()

    def is_uncertain(self, delivery: Delivery) -> bool:
        """Return whether an item that is lost may have been settled here, or come back unseen."""
        return self._doubting is not None and self._doubting.is_uncertain(delivery)


class ReconnectingBroker:
    """One connection and its lock.

    lock: held during every call of the broker. State that must fit to a call (the item in hand, a
        count) is changed inside the call.
    was_connected: whether a connection was ever opened.
    mended_at: when the last outage ended, by the clock.
    capabilities: of the broker that was connected last.
    on_outage: called with the cause when an outage begins, and with "" when it ends.
    """

    def __init__(
        self,
        open_broker: Callable[[], Broker],
        *,
        timing: Timing,
        on_outage: Callable[[str], None],
    ) -> None:
        self.lock = threading.Lock()
        self.was_connected = False
        self.mended_at = float("-inf")
        self.capabilities = Capabilities()
        self._open_broker = open_broker
        self._on_outage = on_outage
        self._timing = timing
        self._broker: Broker | None = None
        self._failures = 0
        self._waiting = 0
        self._closed = False

    def call(self, act: Callable[[Broker], T], *, give_up: Callable[[], bool]) -> T:
        """Return what `act` returns, after any number of outages.

        Raises the outage's error once `give_up` returns True, and any other error at once.
        """
        is_waiting = False
        while True:
            with self.lock:
                self._waiting -= is_waiting
                is_waiting = False
                try:
                    result = act(self._broker or self._open())
                except TRANSIENT as error:
                    pause = self._note_outage(error)
                    if give_up():
                        raise
                    self._waiting += 1
                    is_waiting = True
                else:
                    if self._failures and not self._waiting:
                        self._note_end()
                    return result
            try:
                self._rest(pause, give_up)
            except BaseException:
                # The end of the grace interrupts a program.
                with self.lock:
                    self._waiting -= 1
                raise

    def call_once(self, act: Callable[[Broker], float]) -> float:
        """Call `act` if there is a connection; return the seconds until the next call is due.

        They are what `act` returns, or the pause of an outage.
        """
        with self.lock:
            if self._broker is None:
                return STEP_SECONDS
            try:
                seconds = act(self._broker)
            except TRANSIENT as error:
                return self._note_outage(error)
            if self._failures and not self._waiting:
                self._note_end()
            return seconds

    def close(self) -> None:
        """Disconnect; the broker gives back what it fetched and was not taken."""
        with self.lock:
            broker, self._broker, self._closed = self._broker, None, True
            if broker is not None:
                broker.close()

    def disown(self) -> None:
        """In a forked child: leave the connection alone. Takes no lock, which may be held there."""
        if isinstance(self._broker, Inherited):
            self._broker.abandon()

    def _open(self) -> Broker:
        if self._closed:
            raise RuntimeError("the worker is closed")
        self._broker = self._open_broker()
        self.capabilities = Capabilities(self._broker)
        self.was_connected = True
        return self._broker

    def _note_outage(self, error: Exception) -> float:
        if self._failures == 0:
            say("broker unavailable, trying again", error=error)
            self._on_outage(str(error))
        self._failures += 1
        doubled = FIRST_PAUSE_SECONDS * (1 << min(self._failures - 1, 16))
        # Workers of one queue lose their broker together, and must not all come back at once.
        return min(doubled, LONGEST_PAUSE_SECONDS) * (1 + os.urandom(1)[0] / 255) / 2

    def _note_end(self) -> None:
        say("broker available again", failures=self._failures)
        self._on_outage("")
        self._failures = 0
        self.mended_at = self._timing.clock()

    def _rest(self, seconds: float, give_up: Callable[[], bool]) -> None:
        ends_at = self._timing.clock() + seconds
        while (rest := ends_at - self._timing.clock()) > 0 and not give_up():
            self._timing.sleep(min(rest, STEP_SECONDS))
