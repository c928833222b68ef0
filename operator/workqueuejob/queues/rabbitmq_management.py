"""RabbitMQ's management API: ready and unacked of all queues of a virtual host in one GET.

    messages_ready           -> ready
    messages_unacknowledged  -> in flight

Tried on RabbitMQ 3.10: with `disable_stats` and `enable_queue_totals` a classic queue's numbers
are asked of the queue itself. A quorum queue's come from a table that the leader writes every five
seconds, so they say 0 for messages that have been there for seconds. Reads only, and never raises
for a failing API: depth is known without it.

From 4.0 on the Raft states of a quorum queue's members can be asked for, too.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import urllib3
from urllib3 import exceptions as http

from workqueuejob.planning.depth import DepthWarning
from workqueuejob.protocol import tls
from workqueuejob.protocol.connection import RABBITMQ_FIELD as FIELD
from workqueuejob.protocol.connection import RabbitMQConnection

REASON = "ManagementUnavailable"
QUERY = (
    "disable_stats=true&enable_queue_totals=true"
    "&columns=name,type,state,leader,messages_ready,messages_unacknowledged"
)
TIMEOUT = urllib3.Timeout(connect=2.0, read=3.0)

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

_NOT_THERE = f"no management API there, or no vhost {{vhost!r}}; correct {FIELD}.management.url"

NO_SUCH_PATH = frozenset({400, 404})
"""RabbitMQ 3.10 answers the former below a wrong path to an encoded vhost."""

STATUSES: dict[int, str] = {
    400: _NOT_THERE,
    401: "give the user the tag 'management' or 'monitoring' and access to vhost {vhost!r}, "
    "or correct the credentials",
    403: "let user {username!r} through whatever guards the management API",
    404: _NOT_THERE,
}


@dataclass(frozen=True, slots=True)
class QueueTotals:
    """What the API says of one queue; None for a key that it left out.

    leader: the node of a quorum queue's leader.
    """

    type: str | None
    state: str | None
    ready: int | None
    unacked: int | None
    leader: str | None = None


class ManagementClient:
    """The management API of one broker, over one kept connection."""

    def __init__(self, settings: RabbitMQConnection, url: str) -> None:
        """Prepare; nothing is opened yet. Raises TLSFailed for unusable TLS material."""
        self._settings = settings
        self._url = url
        self._vhost = quote(settings.virtual_host, safe="")
        options: dict[str, Any] = {}
        if url.startswith("https:") and settings.tls is not None:
            options["ssl_context"] = tls.build_context(settings.tls, field=f"{FIELD}.tls")
            options["cert_reqs"] = "CERT_REQUIRED" if settings.tls.verify else "CERT_NONE"
            if settings.tls.server_name is not None:
                options["server_hostname"] = settings.tls.server_name
                options["assert_hostname"] = settings.tls.server_name
            if not settings.tls.verify:
                options["assert_hostname"] = False
        self._pool = urllib3.PoolManager(1, retries=False, timeout=TIMEOUT, **options)
        self._headers = urllib3.make_headers(
            basic_auth=f"{settings.username}:{settings.password}" if settings.username else None,
            basic_auth_encoding="utf-8",
        )

    def read_totals(self) -> Mapping[str, QueueTotals] | DepthWarning:
        """Return the totals of the virtual host's queues by name, or why they are unknown."""
        answer = self._get(f"queues/{self._vhost}?{QUERY}")
        if isinstance(answer, DepthWarning):
            return answer
        if answer.status != 200:
            return self._warn(self._describe_status(answer.status))
        totals = parse_totals(answer.data)
        return self._warn("the answer is not RabbitMQ's") if totals is None else totals

    def read_members(self, queue: str) -> Mapping[str, str] | DepthWarning | None:
        """Return the Raft states of a quorum queue's members by node, or why they are unknown.

        None: there is nothing of this path. RabbitMQ 3.10 has none for any queue.
        """
        answer = self._get(f"queues/quorum/{self._vhost}/{quote(queue, safe='')}/status")
        if isinstance(answer, DepthWarning):
            return answer
        if answer.status in NO_SUCH_PATH:
            return None
        if answer.status != 200:
            return self._warn(self._describe_status(answer.status))
        members = parse_members(answer.data)
        return self._warn("the answer is not RabbitMQ's") if members is None else members

    def close(self) -> None:
        """Close the kept connection."""
        self._pool.clear()

    def _get(self, path: str) -> "urllib3.BaseHTTPResponse | DepthWarning":
        try:
            return self._pool.request(
                "GET",
                f"{self._url}/api/{path}",
                headers=self._headers,
                # A redirect would take the credentials to a host that nobody named.
                redirect=False,
            )
        except http.HTTPError as error:
            return self._warn(describe_failure(error))

    def _describe_status(self, status: int) -> str:
        text = STATUSES.get(status, "see the broker's log").format(
            vhost=self._settings.virtual_host, username=self._settings.username
        )
        return f"{status}: {text}"

    def _warn(self, what: str) -> DepthWarning:
        return DepthWarning(REASON, f"in flight is unknown: {self._url}: {what}")


def describe_failure(error: http.HTTPError) -> str:
    """Return what failed and what to change."""
    return next(FAILURES[kind] for kind in type(error).__mro__ if kind in FAILURES)


def parse_totals(data: bytes) -> dict[str, QueueTotals] | None:
    """Return the totals by queue name; None when the answer has another shape."""
    try:
        rows = json.loads(data)
    except ValueError:
        return None
    if not isinstance(rows, list):
        return None
    return {
        row["name"]: QueueTotals(
            type=_text(row.get("type")),
            state=_text(row.get("state")),
            ready=_count(row.get("messages_ready")),
            unacked=_count(row.get("messages_unacknowledged")),
            leader=_text(row.get("leader")),
        )
        for row in rows
        if isinstance(row, dict) and isinstance(row.get("name"), str)
    }


def parse_members(data: bytes) -> dict[str, str] | None:
    """Return the Raft states of a quorum queue's members by node; None for another shape."""
    try:
        rows = json.loads(data)
    except ValueError:
        return None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        return None
    return {str(row.get("Node Name")): str(row.get("Raft State")) for row in rows}


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
