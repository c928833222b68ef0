"""Disowns the workers in a forked child of their program, before the child's own code runs.

A forked child gets copies of everything but the threads: of the handler that keeps SIGTERM from
ending it, of the item in hand, and of the connection and the report that its parent goes on to use.
A disowned worker lets go of all of it. Children that start a program (spawn, subprocess) get no
copies.

SIGTERM is blocked meanwhile, because a pool may end a child that was forked a moment ago.
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
    """An object of which forked children get a copy."""

    def disown(self) -> None:
        """In a forked child: let go of everything; settle and send nothing any more."""
        ...


_watched: WeakSet[Any] = WeakSet()
_masks = threading.local()


@functools.cache
def _register() -> None:
    # Once in a process, because Python has no way to remove these hooks.
    os.register_at_fork(
        before=_hold_signals_back, after_in_parent=_let_signals_in, after_in_child=_enter_child
    )


def disown_in_children(forkable: Forkable) -> None:
    """Disown an object in every child that is forked while the object exists."""
    _register()
    _watched.add(forkable)


def _hold_signals_back() -> None:
    _masks.before = signal.pthread_sigmask(signal.SIG_BLOCK, _HELD_BACK)


def _let_signals_in() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, _masks.before)


def _enter_child() -> None:
    try:
        for forkable in list(_watched):
            forkable.disown()
    finally:
        _let_signals_in()
