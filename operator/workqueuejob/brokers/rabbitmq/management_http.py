"""Sends GET requests to a RabbitMQ management API, each with limits of time and bytes as a whole.

It decompresses no answer, because the content could be a thousand times as long.
"""

import socket
from functools import partial
from typing import Any

import urllib3
from urllib3 import exceptions as http
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util import parse_url

from workqueuejob.brokers import tls
from workqueuejob.brokers.bounded_socket import (
    MIB,
    BoundedSocket,
    BoundedTLSSocket,
    Bounds,
    bind_tls,
    open_socket,
)
from workqueuejob.brokers.connection import Reach, TLSSettings
from workqueuejob.brokers.rabbitmq.settings import FIELD, RabbitMQConnection
from workqueuejob.brokers.socket_errors import find_unbounded

CONNECT_TIMEOUT_SECONDS = 2.0
ANSWER_SECONDS = 4.0
ANSWER_MAX_BYTES = 2 * MIB
"""Enough for 12,000 queues of one virtual host, because a queue takes about 170 bytes."""

FAILURES: dict[type[http.HTTPError], str] = {
    http.NameResolutionError: f"unknown host; correct {FIELD}.management.url",
    http.NewConnectionError: f"refused; correct {FIELD}.management.url or the NetworkPolicy",
    http.ConnectTimeoutError: f"timeout; correct {FIELD}.management.url or the NetworkPolicy",
    http.ReadTimeoutError: "the broker did not answer in time; see its log",
    http.SSLError: f"TLS failed; correct {FIELD}.tls or the scheme and port of management.url",
    http.ProtocolError: "connection lost; see the broker's log",
    http.LocationParseError: f"not a URL; correct {FIELD}.management.url",
    http.LocationValueError: f"not a URL; correct {FIELD}.management.url",
    http.HTTPError: f"failed; correct {FIELD}.management.url",
}

EXPOSED = (
    "http would send the password unencrypted, and the connection to the broker is encrypted; write"
    f" https in {FIELD}.management.url"
)

PLAIN = frozenset({"", "identity"})


class ManagementFailure(Exception):
    """The API gave no usable answer; the message says why, and what to change."""


class ManagementHTTP:
    """One kept connection to the API."""

    def __init__(self, settings: RabbitMQConnection, url: str) -> None:
        """Prepare without connecting; raise TLSFailed for unusable TLS material."""
        self._url = url
        self._bounds = Bounds(seconds=ANSWER_SECONDS, most_bytes=ANSWER_MAX_BYTES)
        self._headers = urllib3.make_headers(
            basic_auth=f"{settings.username}:{settings.password}" if settings.username else None,
            basic_auth_encoding="utf-8",
        ) | {"Accept-Encoding": "identity"}
        self._tls = settings.tls or TLSSettings()
        self._reach = settings.reach
        self._is_exposed = settings.tls is not None and not url.startswith("https:")
        self._pool: urllib3.HTTPConnectionPool | None = None
        self._options: dict[str, Any] = {}
        if url.startswith("https:"):
            context = tls.build_context(self._tls, field=f"{FIELD}.tls")
            self._options = _tls_options(self._tls) | {"ssl_context": bind_tls(context)}

    def get(self, path: str) -> tuple[int, bytes]:
        """Return status and body; raise ManagementFailure, or HostNotAllowed."""
        if self._is_exposed:
            raise ManagementFailure(EXPOSED)
        self._bounds.begin()
        try:
            response = self._open_pool().request(
                "GET",
                f"{self._path}{path}",
                headers=self._headers,
                # A redirect would send the credentials to a host that the spec does not name.
                redirect=False,
                decode_content=False,
            )
        except http.HTTPError as error:
            self.close()
            raise ManagementFailure(describe_failure(error)) from error
        encoding = response.headers.get("Content-Encoding", "").strip().lower()
        if encoding not in PLAIN:
            raise ManagementFailure(
                f"the answer is encoded as {encoding[:20]}, which was not asked for; correct"
                f" {FIELD}.management.url, or what stands before the broker"
            )
        return response.status, response.data

    def close(self) -> None:
        """Close the kept connection."""
        if self._pool is not None:
            self._pool.close()
        self._pool = None

    def _open_pool(self) -> urllib3.HTTPConnectionPool:
        if self._pool is None:
            where = parse_url(self._url)
            self._path = where.path or ""
            kind, connection = (
                (urllib3.HTTPSConnectionPool, _BoundedHTTPSConnection)
                if where.scheme == "https"
                else (urllib3.HTTPConnectionPool, _BoundedHTTPConnection)
            )
            if where.host is None:
                raise http.LocationValueError("no host")
            self._pool = kind(
                where.host,
                where.port,
                timeout=urllib3.Timeout(connect=CONNECT_TIMEOUT_SECONDS, read=ANSWER_SECONDS),
                retries=False,
                **self._options,
            )
            self._pool.ConnectionCls = partial(connection, bounds=self._bounds, reach=self._reach)  # type: ignore[assignment] # it is only called
        return self._pool


def describe_failure(error: http.HTTPError) -> str:
    """Return the cause of a failure, and what to change."""
    unbounded = find_unbounded(error)
    if unbounded is not None:
        return f"{unbounded}; correct {FIELD}.management.url, or see what listens there"
    return next(FAILURES[kind] for kind in type(error).__mro__ if kind in FAILURES)


def _tls_options(settings: TLSSettings) -> dict[str, Any]:
    options: dict[str, Any] = {"cert_reqs": "CERT_REQUIRED" if settings.verify else "CERT_NONE"}
    if settings.server_name is not None:
        options["server_hostname"] = settings.server_name
        options["assert_hostname"] = settings.server_name
    if not settings.verify:
        options["assert_hostname"] = False
    return options


def _open(connection: HTTPConnection, bounds: Bounds, reach: Reach | None) -> BoundedSocket:
    """Connect; raise HostNotAllowed, or urllib3's error for each other cause of a failure."""
    try:
        return open_socket(
            connection.host,
            connection.port,
            bounds=bounds,
            connect_timeout_seconds=CONNECT_TIMEOUT_SECONDS,
            reach=reach,
        )
    except socket.gaierror as error:
        raise http.NameResolutionError(connection.host, connection, error) from error
    except TimeoutError as error:
        raise http.ConnectTimeoutError(connection, "timed out") from error
    except OSError as error:
        raise http.NewConnectionError(connection, str(error)) from error


class _BoundedHTTPConnection(HTTPConnection):
    def __init__(
        self, *arguments: Any, bounds: Bounds, reach: Reach | None, **options: Any
    ) -> None:
        super().__init__(*arguments, **options)
        self._bounds = bounds
        self._reach = reach

    def _new_conn(self) -> socket.socket:
        return _open(self, self._bounds, self._reach)


class _BoundedHTTPSConnection(_BoundedHTTPConnection, HTTPSConnection):
    def connect(self) -> None:
        super().connect()
        if isinstance(self.sock, BoundedTLSSocket):
            self.sock.bounds = self._bounds
