"""redis-py's connections, with a prepared TLS context and with limits for each call.

redis-py has neither. This is the only module that knows how redis-py makes its sockets.
"""

import socket
import ssl
from typing import Any

from redis.connection import Connection, SSLConnection

from workqueuejob.brokers.bounded_socket import (
    BoundedSocket,
    BoundedTLSSocket,
    Bounds,
    bind_tls,
    open_socket,
)
from workqueuejob.brokers.connection import Reach
from workqueuejob.brokers.redis.settings import FIELD
from workqueuejob.errors import ConnectionFailed

CONNECT_TIMEOUT_SECONDS = 3.0
TLS_FIELD = f"{FIELD}.tls"


class PlainConnection(Connection):
    """A connection without TLS.

    bounds: the limits of every answer; None sets no limits.
    reach: which addresses may be connected to, with bounds; None: all.
    """

    def __init__(
        self, *, bounds: Bounds | None = None, reach: Reach | None = None, **settings: Any
    ):
        super().__init__(**settings)  # type: ignore[no-untyped-call] # as redis-py has it
        self._bounds = bounds
        self._reach = reach

    def _connect(self) -> Any:
        if self._bounds is None:
            return super()._connect()  # type: ignore[no-untyped-call] # as redis-py has it
        return _open(self, self._bounds, self._reach)


class ContextConnection(SSLConnection):
    """A TLS connection with a prepared context, because redis-py wants key material in files."""

    def __init__(
        self,
        *,
        context: ssl.SSLContext,
        server_name: str | None,
        bounds: Bounds | None = None,
        reach: Reach | None = None,
        **settings: Any,
    ):
        super().__init__(**settings)
        self._context = context if bounds is None else bind_tls(context)
        self._server_name = server_name
        self._bounds = bounds
        self._reach = reach

    def _connect(self) -> Any:
        if self._bounds is None:
            return super()._connect()  # type: ignore[no-untyped-call] # as redis-py has it
        plain = _open(self, self._bounds, self._reach)
        try:
            return self._wrap_socket_with_ssl(plain)
        except OSError:
            plain.close()
            raise

    def _wrap_socket_with_ssl(self, sock: socket.socket) -> ssl.SSLSocket:
        try:
            wrapped = self._context.wrap_socket(
                sock, server_hostname=self._server_name or self.host
            )
        except TimeoutError as error:
            # A Redis without TLS takes the handshake for a command, and waits for its end.
            sock.close()
            raise ConnectionFailed(
                f"{self.host}:{self.port}: no answer to the TLS handshake; correct"
                f" {FIELD}.port, remove {TLS_FIELD} if the server has no TLS, or start the"
                " server"
            ) from error
        if isinstance(wrapped, BoundedTLSSocket):
            wrapped.bounds = self._bounds
        return wrapped


def _open(connection: Connection, bounds: Bounds, reach: Reach | None) -> BoundedSocket:
    return open_socket(
        connection.host,
        connection.port,
        bounds=bounds,
        connect_timeout_seconds=connection.socket_connect_timeout or CONNECT_TIMEOUT_SECONDS,
        reach=reach,
    )
