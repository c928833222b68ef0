"""Reads RabbitMQ's management API: totals of all queues of a virtual host, alarms, Raft states.

    messages_ready           -> ready
    messages_unacknowledged  -> in flight

Tried on RabbitMQ 3.10: with `disable_stats` and `enable_queue_totals` the API asks a classic queue
itself for its numbers. A quorum queue's numbers come from a table that the leader writes every five
seconds, so they may be 0 for messages that arrived seconds ago. Alarms are those of the cluster's
health check. From 4.0 on the API gives the Raft states of a quorum queue's members.

It only sends GET requests. A failing API is a warning and no error, because the depth is known
without it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from threading import Lock
from urllib.parse import quote

from workqueuejob.brokers.depth import COUNT_MAX, DepthWarning
from workqueuejob.brokers.rabbitmq.management_http import ManagementFailure, ManagementHTTP
from workqueuejob.brokers.rabbitmq.settings import FIELD, RabbitMQConnection
from workqueuejob.contract.plain_json import read_json

REASON = "ManagementUnavailable"
QUERY = (
    "disable_stats=true&enable_queue_totals=true"
    "&columns=name,type,state,leader,messages_ready,messages_unacknowledged"
)
ALARMS = "health/checks/alarms"
RESOURCES = frozenset({"memory", "disk space"})
"""The names of the resources in the answer to the health check, as RabbitMQ 3.10 has them."""

_READING = Lock()

_NOT_THERE = f"no management API there, or no vhost {{vhost!r}}; correct {FIELD}.management.url"

NO_SUCH_PATH = frozenset({400, 404})
"""RabbitMQ 3.10 answers 400 to an unknown path that holds an encoded vhost."""

_NOT_RABBITMQ = f"the answer is not RabbitMQ's; correct {FIELD}.management.url"

STATUSES: dict[int, str] = {
    400: _NOT_THERE,
    401: "give the user the tag 'management' or 'monitoring' and access to vhost {vhost!r}, "
    "or correct the credentials",
    403: "let user {username!r} through whatever guards the management API",
    404: _NOT_THERE,
}


@dataclass(frozen=True, slots=True)
class QueueTotals:
    """The API's answer for one queue; None for a key that it left out.

    type: `classic`, `quorum` or `stream`.
    state: such as `running` or `down`.
    ready, unacked: numbers of messages.
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
        """Prepare without connecting; raise TLSFailed for unusable TLS material."""
        self._settings = settings
        self._url = url
        self._vhost = quote(settings.virtual_host, safe="")
        self._http = ManagementHTTP(settings, url)

    def read_totals(self) -> Mapping[str, QueueTotals] | DepthWarning:
        """Return the totals of the virtual host's queues by name, or why they are unknown."""
        answer = self._get(f"queues/{self._vhost}?{QUERY}")
        if isinstance(answer, DepthWarning):
            return answer
        status, body = answer
        if status != 200:
            return self._warn(self._describe_status(status))
        totals = parse_totals(body)
        return self._warn(_NOT_RABBITMQ) if totals is None else totals

    def read_members(self, queue: str) -> Mapping[str, str] | DepthWarning | None:
        """Return the Raft states of a quorum queue's members by node, or why they are unknown.

        None where the API lacks this path, as RabbitMQ 3.10 does.
        """
        answer = self._get(f"queues/quorum/{self._vhost}/{quote(queue, safe='')}/status")
        if isinstance(answer, DepthWarning):
            return answer
        status, body = answer
        if status in NO_SUCH_PATH:
            return None
        if status != 200:
            return self._warn(self._describe_status(status))
        members = parse_members(body)
        return self._warn(_NOT_RABBITMQ) if members is None else members

    def read_alarms(self) -> tuple[str, ...]:
        """Return the resources that are short, such as `memory`; empty where the API fails."""
        answer = self._get(ALARMS)
        if isinstance(answer, DepthWarning):
            return ()
        status, body = answer
        return parse_alarms(body) if status == 503 else ()

    def close(self) -> None:
        """Close the kept connection."""
        self._http.close()

    def _get(self, path: str) -> tuple[int, bytes] | DepthWarning:
        try:
            return self._http.get(f"/api/{path}")
        except ManagementFailure as failure:
            return self._warn(str(failure))

    def _describe_status(self, status: int) -> str:
        text = STATUSES.get(status, "see the broker's log").format(
            vhost=self._settings.virtual_host, username=self._settings.username
        )
        return f"{status}: {text}"

    def _warn(self, cause: str) -> DepthWarning:
        return DepthWarning(REASON, f"in flight is unknown: {self._url}: {cause}")


def parse_alarms(data: bytes) -> tuple[str, ...]:
    """Return the resources that an answer to the health check names, each once."""
    try:
        answer = read_json(data)
    except ValueError:
        return ()
    rows = answer.get("alarms") if isinstance(answer, dict) else None
    if not isinstance(rows, list):
        return ()
    named = {str(row.get("resource")) for row in rows if isinstance(row, dict)}
    return tuple(sorted(named & RESOURCES))


def parse_totals(data: bytes) -> dict[str, QueueTotals] | None:
    """Return the totals by queue name; None when the answer has another shape."""
    try:
        # One answer at a time, because its objects take some twenty times the text's memory.
        with _READING:
            rows = read_json(data)
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
        rows = read_json(data)
    except ValueError:
        return None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        return None
    return {str(row.get("Node Name")): str(row.get("Raft State")) for row in rows}


def _count(value: object) -> int | None:
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if abs(value) <= COUNT_MAX else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
