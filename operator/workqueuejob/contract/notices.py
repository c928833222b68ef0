"""The worker's own lines on stderr: a constant message, and its values as fields.

One write per line keeps a line whole between the lines of a command that shares the stream. It does
not use `logging`, because the user's program owns its configuration, and a line must come out
however that is configured.
"""

import os
from contextlib import suppress

_STDERR = 2


def say(message: str, **values: object) -> None:
    """Write `wqj-worker: message name=value ...`; never raises."""
    rendered = "".join(f" {name}={_quote(str(value))}" for name, value in values.items())
    with suppress(OSError):
        os.write(_STDERR, f"wqj-worker: {message}{rendered}\n".encode("utf-8", "replace"))


def _quote(value: str) -> str:
    plain = value.isprintable() and not any(mark in value for mark in ' "=') and value
    return value if plain else _escape(value)


def _escape(value: str) -> str:
    escaped = "".join(
        mark if mark.isprintable() else mark.encode("unicode_escape").decode() for mark in value
    )
    return '"' + escaped.replace('"', '\\"') + '"'
