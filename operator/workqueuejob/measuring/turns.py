"""Decides which logins may ask how many questions now. Pure.

Requests go first, then the rounds of runs at work, then those of idle runs, then the queues that
hung when they were asked last. Within each kind the logins take turns, one question each, so that a
login with a thousand queues delays one with a single queue by no more than its own share.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum


class Kind(IntEnum):
    """Why a queue is due, in the order in which they are asked."""

    REQUESTED = 0
    AT_WORK = 1
    IDLE = 2
    IN_QUARANTINE = 3


@dataclass(frozen=True, slots=True)
class Demand:
    """What a login wants to ask now.

    due: how many queues of each kind.
    room, quarantine_room: how many more questions it can have on the way, to queues in quarantine
        and to others.
    entry: the tokens that its connection takes, which is to be opened first.
    """

    due: tuple[int, int, int, int]
    room: int
    quarantine_room: int
    entry: float = 0.0


Grant = tuple[int, int, int, int]
"""How many questions of each kind a login may ask."""


def take_turns(demands: Sequence[Demand], *, tokens: float, first: int = 0) -> list[Grant]:
    """Return each login's grant.

    first: the login that has the first turn; the caller moves it on.
    A question takes one token. Nothing is granted once none is left; the last one may overdraw.
    """
    granted = [[0, 0, 0, 0] for _ in demands]
    rooms = [demand.room for demand in demands]
    quarantine_rooms = [demand.quarantine_room for demand in demands]
    entered = [demand.entry == 0.0 for demand in demands]
    order = [(first + step) % len(demands) for step in range(len(demands))] if demands else []
    for kind in Kind:
        free = quarantine_rooms if kind is Kind.IN_QUARANTINE else rooms
        taking = [n for n in order if demands[n].due[kind] and free[n] > 0]
        while taking and tokens > 0:
            still = []
            for n in taking:
                if tokens <= 0:
                    break
                if not entered[n]:
                    entered[n] = True
                    tokens -= demands[n].entry
                granted[n][kind] += 1
                free[n] -= 1
                tokens -= 1
                if granted[n][kind] < demands[n].due[kind] and free[n] > 0:
                    still.append(n)
            taking = still
    return [(g[0], g[1], g[2], g[3]) for g in granted]
