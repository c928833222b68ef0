"""Writes numbered items while things break, and remembers exactly what the broker has confirmed.

A number is written once. If the broker did not confirm it, it may or may not be in the queue, and
the next item has another number: so no item is in a queue twice by the producer's doing.
"""

import random
import threading
import time
from collections.abc import Callable

from .evidence import POISON, Sent
from .lines import Line, Refused

_BURST = 8
_LONGEST_PAUSE_SECONDS = 6.0
_RETRY_SECONDS = 0.3
_GIVE_UP_SECONDS = 120


class Producer(threading.Thread):
    """Writes to one queue, in bursts and pauses, until its time is over.

    open_line: raises Refused while there is no connection to be had.
    pace: how many items, evenly over how many seconds. poison_every: so many items, one is poison.
    """

    def __init__(
        self,
        queue: str,
        open_line: Callable[[], Line],
        *,
        seed: int,
        pace: tuple[int, float],
        poison_every: int | None = None,
    ) -> None:
        super().__init__(name=f"producer of {queue}", daemon=True)
        self._queue = queue
        self._open_line = open_line
        self._chance = random.Random(f"{seed} {queue}")  # noqa: S311 - can be had again
        self._items, self._seconds = pace
        self._poison_every = poison_every
        self._line: Line | None = None
        self._ended = 0.0
        self.confirmed: set[str] = set()
        self.unconfirmed: set[str] = set()

    def run(self) -> None:
        number, began = 0, time.monotonic()
        while not self._is_over(time.monotonic() - began, number):
            for _ in range(self._chance.randint(1, _BURST)):
                number += 1
                self._send(self._name_item(number))
            self._pause(number, began)
        if self._line is not None:
            self._line.close()
        self._ended = time.time()

    def wait(self) -> Sent:
        """Wait until the producer is through; return what it has sent."""
        self.join()
        return Sent(frozenset(self.confirmed), frozenset(self.unconfirmed), self._ended)

    def _name_item(self, number: int) -> str:
        is_poison = self._poison_every is not None and number % self._poison_every == 0
        return f"{self._queue}-{number:05}{POISON if is_poison else ''}"

    def _is_over(self, seconds: float, number: int) -> bool:
        return seconds >= self._seconds and number >= self._items

    def _pause(self, number: int, began: float) -> None:
        """Keep to the pace on average, and never leave the queue alone for long."""
        due = began + number / self._items * self._seconds - time.monotonic()
        jitter = self._chance.uniform(0, 2)
        time.sleep(min(max(due + jitter - 1, 0.1), _LONGEST_PAUSE_SECONDS))

    def _send(self, item: str) -> None:
        line = self._connect()
        try:
            line.send(item)
        except Refused:
            self.unconfirmed.add(item)
            line.close()
            self._line = None
        else:
            self.confirmed.add(item)

    def _connect(self) -> Line:
        deadline = time.monotonic() + _GIVE_UP_SECONDS
        while self._line is None:
            try:
                self._line = self._open_line()
            except Refused:
                if time.monotonic() > deadline:
                    raise
                time.sleep(_RETRY_SECONDS)
        return self._line
