"""Decides which logins may connect, and which connections make room for them. Pure."""

from collections import Counter
from collections.abc import Iterable
from typing import Protocol, TypeVar

MAX_OPENING = 20
MAX_OPENING_AGAIN = 10
"""Connections that may be made at once: of all, and of those that failed when last tried."""

MAX_OPENING_TO_ADDRESS = 4
"""Of all, those to one broker, for which a login is work."""

LEAST_HOLD_SECONDS = 1.0
"""How long an unused connection is kept at least while another login waits for its place."""


class Connecting(Protocol):
    """What is asked of a login's way."""

    used_at: float

    @property
    def address(self) -> str:
        """Where it goes."""
        ...

    @property
    def is_open(self) -> bool:
        """Whether there is a connection, or one is being made."""
        ...

    @property
    def is_opening(self) -> bool:
        """Whether a connection is being made."""
        ...

    @property
    def is_opening_again(self) -> bool:
        """Whether one is being made that failed when it was last tried."""
        ...

    @property
    def is_busy(self) -> bool:
        """Whether questions are on their way."""
        ...


class Places:
    """The places for connections, as they are taken one after the other."""

    def __init__(self, most: int, ways: Iterable[Connecting]) -> None:
        ways = list(ways)
        self.wanted = 0
        """How many logins found no place, because all are taken."""
        self._free = most - sum(way.is_open for way in ways)
        self._may_open = MAX_OPENING - sum(way.is_opening for way in ways)
        self._opening_to = Counter(way.address for way in ways if way.is_opening)
        self._may_open_again = MAX_OPENING_AGAIN - sum(way.is_opening_again for way in ways)

    def take(self, address: str, *, is_failing: bool) -> bool:
        """Take a place to connect; return False where there is none now."""
        if self._opening_to[address] >= MAX_OPENING_TO_ADDRESS:
            return False
        if self._may_open <= 0 or (is_failing and self._may_open_again <= 0):
            return False
        if self._free <= 0:
            self.wanted += 1
            return False
        self._free -= 1
        self._may_open -= 1
        self._opening_to[address] += 1
        self._may_open_again -= is_failing
        return True


WayT = TypeVar("WayT", bound=Connecting)


def choose_spare(ways: Iterable[WayT], count: int, *, now: float) -> list[WayT]:
    """Return so many connections that are not in use, or fewer; the longest unused first."""
    if count <= 0:
        return []
    spare = [
        way
        for way in ways
        if way.is_open
        and not way.is_opening
        and not way.is_busy
        and now - way.used_at >= LEAST_HOLD_SECONDS
    ]
    return sorted(spare, key=lambda way: way.used_at)[:count]
