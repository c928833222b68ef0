"""RabbitMQ's management API: ready and unacked of all queues of a virtual host in one GET.

    messages_ready           -> ready
    messages_unacknowledged  -> in flight

Tried on RabbitMQ 3.10: with `disable_stats` and `enable_queue_totals` a classic queue's numbers
are asked of the queue itself. A quorum queue's come from a table that the leader writes every five
seconds, so they say 0 for messages that have been there for seconds. Alarms are those of the
cluster's health check. Reads only, and never raises for a failing API: depth is known without it.

From 4.0 on the Raft states of a quorum queue's members can be asked for, too.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from threading import Lock
from urllib.parse import quote

from workqueuejob.brokers.connection import RABBITMQ_FIELD as FIELD
from workqueuejob.brokers.connection import RabbitMQConnection
from workqueuejob.brokers.depth import MOST, DepthWarning
from workqueuejob.brokers.rabbitmq.management_http import ManagementFailure, ManagementHTTP
from workqueuejob.contract.plain_json import read_json

REASON = "ManagementUnavailable"
QUERY = (
    "disable_stats=true&enable_queue_totals=true"
    "&columns=name,type,state,leader,messages_ready,messages_unacknowledged"
)
ALARMS = "health/checks/alarms"
RESOURCES = frozenset({"memory", "disk space"})
"""What RabbitMQ 3.10 calls them there."""

_READING = Lock()

_NOT_THERE = f"no management API there, or no vhost {{vhost!r}}; correct {FIELD}.management.url"

NO_SUCH_PATH = frozenset({400, 404})
"""RabbitMQ 3.10 answers the former below a wrong path to an encoded vhost."""
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

        None: there is nothing of this path. RabbitMQ 3.10 has none for any queue.
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
        """Return what the cluster has run out of, such as `memory`; nothing where it can't say."""
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

    def _warn(self, what: str) -> DepthWarning:
        return DepthWarning(REASON, f"in flight is unknown: {self._url}: {what}")


def parse_alarms(data: bytes) -> tuple[str, ...]:
    """Return the resources that an answer to the health check names, each once."""
    try:
        found = read_json(data)
    except ValueError:
        return ()
    rows = found.get("alarms") if isinstance(found, dict) else None
    if not isinstance(rows, list):
        return ()
    named = {str(row.get("resource")) for row in rows if isinstance(row, dict)}
    return tuple(sorted(named & RESOURCES))


def parse_totals(data: bytes) -> dict[str, QueueTotals] | None:
    """Return the totals by queue name; None when the answer has another shape."""
    try:
        # One at a time: what is read takes some twenty times the memory of the text.
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
    return value if abs(value) <= MOST else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
