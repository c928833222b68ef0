"""Refuses handlers that only begin an item's work when they are called.

A coroutine or generator function returns before any of its code has run, so its item would be
acknowledged undone. The function is checked before an item is taken, and its result after each
item.
"""

import functools
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from workqueuejob.errors import HandlerInvalid

_INSTEAD = {
    "coroutine": "run it to its end: worker.run(lambda item: asyncio.run({name}(item)))",
    "generator": "run it to its end: worker.run(lambda item: list({name}(item))), or with"
    " asyncio.run if it is asynchronous",
}


def refuse_unfit(handler: Callable[..., object]) -> None:
    """Raise HandlerInvalid for a handler that is known to do nothing when it is called."""
    # Imported here, because most programs have no handler.
    import inspect

    name, called = _name(handler), _find_called(handler)
    if not callable(handler):
        raise HandlerInvalid(f"handler {name} can't be called; give worker.run a function")
    if inspect.iscoroutinefunction(called):
        raise _refusal(name, "is a coroutine function", "coroutine")
    if inspect.isgeneratorfunction(called) or inspect.isasyncgenfunction(called):
        raise _refusal(name, "is a generator function", "generator")


def refuse_synchronous(handler: Any) -> None:
    """Raise HandlerInvalid for a handler that is no coroutine function."""
    import inspect

    # An object with `async def __call__` is one, too.
    called = vars(type(handler)).get("__call__")
    if not (inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(called)):
        raise HandlerInvalid(
            f"handler {handler!r} is no coroutine function; write it with async def, or use"
            " Worker().run"
        )


def refuse_unfinished(handler: Callable[..., object], result: Any) -> None:
    """Raise HandlerInvalid if a handler returned work that is still to be done."""
    if result is None:
        return
    import inspect

    name = _name(handler)
    if inspect.isawaitable(result):
        _close(result)
        raise _refusal(name, "returned something to await", "coroutine")
    if inspect.isgenerator(result) or inspect.isasyncgen(result):
        _close(result)
        raise _refusal(name, "returned a generator", "generator")


def _refusal(name: str, fault: str, kind: str) -> HandlerInvalid:
    return HandlerInvalid(
        f"handler {name} {fault}, so its work is not done when it returns;"
        f" {_INSTEAD[kind].format(name=name)}"
    )


def _close(result: Any) -> None:
    """End a task that runs, and keep Python from warning of a coroutine that was not awaited."""
    for verb in ("close", "cancel"):
        with suppress(AttributeError):
            getattr(result, verb)()
            return


def _find_called(handler: Any) -> Any:
    """Return the function that runs when the handler is called."""
    while isinstance(handler, functools.partial):
        handler = handler.func
    if isinstance(handler, type) or hasattr(handler, "__code__"):
        return handler
    # Python looks up `__call__` in the class, not in the object.
    return vars(type(handler)).get("__call__", handler)


def _name(handler: Any) -> str:
    while isinstance(handler, functools.partial):
        handler = handler.func
    name: str = getattr(handler, "__name__", None) or repr(type(handler).__name__)
    return name
