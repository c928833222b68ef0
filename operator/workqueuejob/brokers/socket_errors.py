"""What sockets and TLS raise, in the words of our tree: the same for every broker's client."""

import socket
import ssl
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeAlias

from workqueuejob.brokers import tls
from workqueuejob.brokers.bounded_socket import UNBOUNDED, AnswerTooLong, AnswerTooSlow
from workqueuejob.errors import ConnectionFailed, QueueError, TLSFailed


class Addressed(Protocol):
    """A connection's settings."""

    @property
    def address(self) -> str:
        """Where it goes, for messages."""
        ...


Translation: TypeAlias = Callable[[Any, Any], QueueError]
"""Builds the error for an exception and the connection's settings."""


def translate_by(
    translations: Mapping[type[BaseException], Translation],
    error: BaseException,
    connection: Addressed,
) -> QueueError:
    """Return what the table says of the exception's class, or of the nearest one above it.

    An error of our own, such as HostNotAllowed from within a client, is returned as it is.
    """
    if isinstance(error, QueueError):
        return error
    for kind in type(error).__mro__:
        if kind in translations:
            return translations[kind](error, connection)
    return ConnectionFailed(f"{connection.address}: {type(error).__name__}; see the operator's log")


def find_unbounded(error: BaseException) -> AnswerTooSlow | AnswerTooLong | None:
    """Return what says that an answer had no end, from among an exception and its causes."""
    for error_or_argument in (error, error.__cause__, error.__context__, *error.args):
        if isinstance(error_or_argument, UNBOUNDED):
            return error_or_argument
    return None


def build_socket_translations(
    unreachable: Callable[[str], Translation], *, tls_field: str
) -> dict[type[BaseException], Translation]:
    """Return the table's rows for sockets and TLS.

    unreachable: builds the row for a broker that can't be reached because of what is said.
    """

    def os_error(error: OSError, connection: Addressed) -> QueueError:
        return unreachable(error.strerror or type(error).__name__)(error, connection)

    def tls_error(error: ssl.SSLError, connection: Addressed) -> QueueError:
        return TLSFailed(tls.describe(error, address=connection.address, field=tls_field))

    def unbounded(error: AnswerTooSlow | AnswerTooLong, connection: Addressed) -> QueueError:
        return unreachable(str(error))(error, connection)

    return {
        socket.gaierror: unreachable("unknown host"),
        UnicodeError: unreachable("unknown host"),
        ConnectionRefusedError: unreachable("refused"),
        TimeoutError: unreachable("timeout"),
        ssl.SSLError: tls_error,
        **dict.fromkeys(UNBOUNDED, unbounded),
        OSError: os_error,
    }
