"""The worker's own lines on stderr: a constant message, and its values as fields.

One write per line, so that it stays whole between the lines of a command that shares the stream.
Not `logging`: the library's user owns that, and a line must come out however it is configured.
"""

import os
from contextlib import suppress

_STDERR = 2


def say(message: str, **values: object) -> None:
    """Write `wqj-worker: message name=value ...`; never raises."""
    said = "".join(f" {name}={_quote(str(value))}" for name, value in values.items())
    with suppress(OSError):
        os.write(_STDERR, f"wqj-worker: {message}{said}\n".encode("utf-8", "replace"))


def _quote(value: str) -> str:
    plain = value.isprintable() and not any(mark in value for mark in ' "=') and value
    return value if plain else _escape(value)


def _escape(value: str) -> str:
    escaped = "".join(
        mark if mark.isprintable() else mark.encode("unicode_escape").decode() for mark in value
    )
    return '"' + escaped.replace('"', '\\"') + '"'
