"""A broker that survives its outages: connects late, connects again, and is used under one lock.

What is transient is tried again with a back-off for as long as it takes, and logged once for each
outage. A broker that refuses one thing may do another, as one that is full renews leases: while a
call waits, only that call's success ends the outage. Anything else that the broker refuses is
raised: waiting does not mend wrong credentials. Nothing here knows what becomes of an item.
"""

import os
import threading
from collections.abc import Callable
from typing import TypeVar

from workqueuejob.brokers.broker import Broker, Inherited
from workqueuejob.contract.notices import say
from workqueuejob.errors import BrokerUnavailable, ConnectionFailed, MeasurementUnreliable
from workqueuejob.worker.timing import Timing

TRANSIENT = (BrokerUnavailable, ConnectionFailed, MeasurementUnreliable)
"""What a broker that restarts, fails over or lost a node answers with."""

FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 10.0
STEP_SECONDS = 0.25
"""How long a signal may go unnoticed: a sleep goes on after its handler has run."""

T = TypeVar("T")


class ReconnectingBroker:
    """One connection and its lock.

    lock: held during every call of the broker; whoever keeps what belongs to one (an item is in
        hand, a count) changes it inside the call.
    was_connected: whether the broker ever let us in.
    mended_at: when the last outage ended, by the clock.
    on_outage: called with its cause when an outage begins, and with nothing when it ends.
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
        self._open_broker = open_broker
        self._on_outage = on_outage
        self._timing = timing
        self._broker: Broker | None = None
        self._failures = 0
        self._is_waiting = False
        self._closed = False

    def call(self, act: Callable[[Broker], T], *, give_up: Callable[[], bool]) -> T:
        """Return what `act` returns, after any number of outages.

        Raises the outage's error once `give_up` says so, and at once whatever is not transient.
        """
        try:
            while True:
                with self.lock:
                    try:
                        result = act(self._broker or self._open())
                    except TRANSIENT as error:
                        pause = self._note_outage(error)
                        if give_up():
                            raise
                        self._is_waiting = True
                    else:
                        if self._failures:
                            self._note_end()
                        return result
                self._rest(pause, give_up)
        finally:
            self._is_waiting = False

    def call_once(self, act: Callable[[Broker], float]) -> float:
        """Do `act` if we are connected; return when to come again, as `act` or an outage says."""
        with self.lock:
            if self._broker is None:
                return STEP_SECONDS
            try:
                seconds = act(self._broker)
            except TRANSIENT as error:
                return self._note_outage(error)
            if self._failures and not self._is_waiting:
                self._note_end()
            return seconds

    def close(self) -> None:
        """Disconnect; what was fetched but not taken is given back."""
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
        self.was_connected = True
        return self._broker

    def _note_outage(self, error: Exception) -> float:
        if self._failures == 0:
            say("broker unavailable, trying again", error=error)
            self._on_outage(str(error))
        self._failures += 1
        doubled = FIRST_PAUSE_SECONDS * (1 << min(self._failures - 1, 16))
        # Workers of one queue lose it together, and must not all come back at once.
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
