"""Reads from the API server's audit log what the operator has asked it for.

The log has the requests of service accounts outside of kube-system, and of these the bench has only
the operator's. All times are of the machine's clock, in seconds since the epoch.
"""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from workqueuejob.names import PLURAL

_WATCHES = "watch"


@dataclass(frozen=True, slots=True)
class Request:
    """A request that has been answered, or a watch that has begun."""

    at: float
    verb: str
    resource: str
    """With its subresource, such as `workqueuejobs/status`."""
    name: str
    code: int


@dataclass(frozen=True, slots=True)
class Renewals:
    """How a Lease was renewed: the longest times between two successful renewals are late ones."""

    count: int
    missed: int
    """Gaps in which at least one renewal was due and was not made."""
    longest_gap_seconds: float | None


class RequestLog:
    """The requests so far; each reading takes up the lines that are new."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read_bytes = 0
        self._requests: list[Request] = []

    def read(self) -> Sequence[Request]:
        """Return all requests so far, in the order of their answers."""
        if not self._path.exists():
            return self._requests
        with self._path.open("rb") as log:
            log.seek(self._read_bytes)
            for line in log:
                if not line.endswith(b"\n"):
                    break
                self._read_bytes += len(line)
                request = read_request(json.loads(line))
                if request is not None:
                    self._requests.append(request)
        return self._requests


def read_request(event: dict[str, Any]) -> Request | None:
    """Return the request of an audit event; None for a stage of it that is counted already."""
    verb = event["verb"]
    if event["stage"] != ("ResponseStarted" if verb == _WATCHES else "ResponseComplete"):
        return None
    target = event.get("objectRef") or {}
    resource = target.get("resource") or event["requestURI"].partition("?")[0]
    below = target.get("subresource")
    return Request(
        at=datetime.fromisoformat(event["stageTimestamp"]).timestamp(),
        verb=verb,
        resource=f"{resource}/{below}" if below else resource,
        name=target.get("name", ""),
        code=(event.get("responseStatus") or {}).get("code", 0),
    )


def within(requests: Iterable[Request], since: float, until: float) -> list[Request]:
    """Return the requests that were answered in a time."""
    return [request for request in requests if since <= request.at < until]


def count_by_verb(requests: Iterable[Request]) -> dict[str, int]:
    """Return how many requests there were of each verb and resource, the most frequent first."""
    counts = Counter(f"{request.verb} {request.resource}" for request in requests)
    return dict(counts.most_common())


def find_renewals(requests: Iterable[Request], *, period_seconds: float) -> Renewals:
    """Return how the Lease was renewed that should be every `period_seconds`."""
    times = [
        request.at
        for request in requests
        if request.resource == "leases" and request.verb != "get" and request.code < 300
    ]
    gaps = [later - earlier for earlier, later in pairwise(times)]
    return Renewals(
        count=len(times),
        missed=sum(gap > 2 * period_seconds for gap in gaps),
        longest_gap_seconds=max(gaps, default=None),
    )


def find_first_statuses(requests: Iterable[Request]) -> dict[str, float]:
    """Return when each WorkQueueJob's status was written first."""
    first: dict[str, float] = {}
    for request in requests:
        if request.resource == f"{PLURAL}/status" and request.code < 300:
            first.setdefault(request.name, request.at)
    return first


def find_created_jobs(requests: Iterable[Request]) -> dict[str, list[float]]:
    """Return for each WorkQueueJob when its Jobs were created."""
    created: dict[str, list[float]] = {}
    for request in requests:
        if request.verb == "create" and request.resource == "jobs" and request.code < 300:
            # `fruits-1f0c4-3` is the third Job of `fruits`.
            created.setdefault(request.name.rsplit("-", 2)[0], []).append(request.at)
    return created
