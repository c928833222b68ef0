"""Requests as the local cluster's API server has written them down; only reads."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Request:
    """One request of a service account.

    resource: with the subresource, such as `jobs/status`; empty for what is no resource.
    forbidden: by the authorizer; a quota or an admission policy refuses what is allowed.
    """

    user: str
    verb: str
    group: str
    resource: str
    namespace: str
    name: str
    forbidden: bool
    uri: str


def read_requests(log: Path, *, since: datetime) -> Iterator[Request]:
    """Yield the requests of the log and of the full files beside it, in no order."""
    for file in log.parent.glob(f"{log.stem}*{log.suffix}"):
        if file.stat().st_mtime < since.timestamp():
            continue
        with file.open() as lines:
            yield from parse_requests(lines, since=since)


def parse_requests(lines: Iterable[str], *, since: datetime) -> Iterator[Request]:
    """Yield the requests that were answered at `since` or later."""
    for line in lines:
        # The last one may still be being written.
        if not line.endswith("\n"):
            continue
        entry = json.loads(line)
        if datetime.fromisoformat(entry["stageTimestamp"]) >= since:
            yield _read(entry)


def _read(entry: Mapping[str, Any]) -> Request:
    reference = entry.get("objectRef") or {}
    parts = (reference.get("resource"), reference.get("subresource"))
    decision = (entry.get("annotations") or {}).get("authorization.k8s.io/decision")
    return Request(
        user=entry["user"]["username"],
        verb=entry["verb"],
        group=reference.get("apiGroup", ""),
        resource="/".join(part for part in parts if part),
        namespace=reference.get("namespace", ""),
        name=reference.get("name", ""),
        forbidden=decision == "forbid",
        uri=entry["requestURI"],
    )
