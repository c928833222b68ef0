"""What becomes of a worker in a forked child of its program: nothing of it is left there.

A child gets copies of everything but the threads: of the handler that keeps SIGTERM from ending
it, of the item in hand, and of the connection and the report that its parent goes on to use. So
each worker is disowned there before the child's own code runs. Children that start a program
(spawn, subprocess) get none of it.

SIGTERM is held back meanwhile: a pool may end a child that has only just been forked.
"""

import functools
import os
import signal
import threading
from typing import Any, Protocol
from weakref import WeakSet

REFUSED = (
    "the worker belongs to the process that made it, and this is a forked child of it; settle its"
    " items in the parent, or make one in the process that uses it"
)

_HELD_BACK = frozenset({signal.SIGTERM})


class Forkable(Protocol):
    """What children get a copy of."""

    def disown(self) -> None:
        """In a forked child: let go of everything, and never settle or send anything again."""
        ...


_watched: WeakSet[Any] = WeakSet()
_masks = threading.local()


@functools.cache
def _register() -> None:
    # Once in a process: Python forgets none of them.
    os.register_at_fork(
        before=_hold_signals_back, after_in_parent=_let_signals_in, after_in_child=_enter_child
    )


def disown_in_children(thing: Forkable) -> None:
    """Have it disowned in every child that is forked from now on, for as long as it is there."""
    _register()
    _watched.add(thing)


def _hold_signals_back() -> None:
    _masks.before = signal.pthread_sigmask(signal.SIG_BLOCK, _HELD_BACK)


def _let_signals_in() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, _masks.before)


def _enter_child() -> None:
    try:
        for thing in list(_watched):
            thing.disown()
    finally:
        _let_signals_in()
