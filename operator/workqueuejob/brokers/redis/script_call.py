"""Calls a script at Redis, with the pieces that all its calls share packed once.

redis-py packs each call again piece by piece, and a script's keys and settings are most of its
twenty pieces. That took longer than everything else that the worker does for an item. So a call is
put together here, and sent through redis-py's own connection, which reads the answer. Bytes come
back as bytes. It opens no connection, retries nothing, and raises redis-py's own exceptions.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from redis.exceptions import NoScriptError

if TYPE_CHECKING:
    from redis import Redis

Argument = str | bytes | int


class ScriptCall:
    """One script, with its keys and the arguments with which every call begins."""

    __slots__ = ("_beginning", "_client", "_connection", "_pieces", "_script")

    def __init__(
        self, client: "Redis", text: str, keys: Sequence[bytes], arguments: Sequence[bytes]
    ) -> None:
        script = client.register_script(text)
        pieces: list[Argument] = [b"EVALSHA", script.sha, len(keys), *keys, *arguments]
        self._client = client
        # The client is a single-connection one, and it is connected.
        self._connection: Any = client.connection
        self._script = text
        self._pieces = len(pieces)
        self._beginning = _pack(pieces)

    def __call__(self, arguments: Sequence[Argument]) -> Any:
        """Return the script's answer; load the script first where the server has lost it."""
        count = b"*%d\r\n" % (self._pieces + len(arguments))
        command = count + self._beginning + _pack(arguments)
        try:
            return self._ask(command)
        except NoScriptError:
            self._client.script_load(self._script)
            return self._ask(command)

    def _ask(self, command: bytes) -> Any:
        self._connection.send_packed_command((command,), check_health=False)
        return self._connection.read_response()


def _pack(pieces: Iterable[Argument]) -> bytes:
    """Return pieces as the bulk strings of Redis' protocol."""
    encoded = (piece if isinstance(piece, bytes) else str(piece).encode() for piece in pieces)
    return b"".join([b"$%d\r\n%b\r\n" % (len(piece), piece) for piece in encoded])
