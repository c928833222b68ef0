"""What `bench.scale` reads from the API server's audit log."""

import json
from pathlib import Path
from typing import Any

import pytest

from bench.scaling.requests import (
    RequestLog,
    count_by_verb,
    find_created_jobs,
    find_first_statuses,
    find_renewals,
)
from bench.scaling.watching import Publication, match_decisions


def an_event(verb: str, resource: str, *, second: float = 0.0, **changes: Any) -> dict[str, Any]:
    """Return an audit event, so many seconds after noon."""
    resource, _, below = resource.partition("/")
    target = {"resource": resource, "namespace": "bench", "name": changes.pop("name", "run-1")}
    return {
        "stage": "ResponseStarted" if verb == "watch" else "ResponseComplete",
        "verb": verb,
        "objectRef": target | ({"subresource": below} if below else {}),
        "requestURI": f"/apis/{resource}?limit=5",
        "responseStatus": {"code": changes.pop("code", 200)},
        "stageTimestamp": f"2026-11-30T12:00:{second:09.6f}Z",
        **changes,
    }


@pytest.fixture
def log(tmp_path: Path) -> "Log":
    return Log(tmp_path / "audit.log")


class Log:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.requests = RequestLog(path)

    def write(self, *events: dict[str, Any]) -> None:
        with self.path.open("a") as file:
            file.writelines(json.dumps(event) + "\n" for event in events)


def test_a_log_that_is_not_there_has_no_requests(log: Log) -> None:
    assert list(log.requests.read()) == []


def test_a_line_that_is_half_written_is_read_when_it_is_whole(log: Log) -> None:
    line = json.dumps(an_event("get", "secrets"))
    log.path.write_text(line[:30])
    assert list(log.requests.read()) == []

    log.path.write_text(f"{line}\n")
    log.write(an_event("create", "jobs"))

    assert count_by_verb(log.requests.read()) == {"get secrets": 1, "create jobs": 1}


def test_a_watch_counts_when_it_begins_and_another_request_when_it_ends(log: Log) -> None:
    watch = an_event("watch", "jobs")
    log.write(watch, watch | {"stage": "ResponseComplete"})
    log.write(an_event("list", "pods") | {"stage": "ResponseStarted"}, an_event("list", "pods"))

    assert count_by_verb(log.requests.read()) == {"watch jobs": 1, "list pods": 1}


def test_a_request_for_no_resource_is_counted_by_its_path(log: Log) -> None:
    log.write(an_event("get", "wqj.dev") | {"objectRef": None})

    assert count_by_verb(log.requests.read()) == {"get /apis/wqj.dev": 1}


def test_a_gap_of_two_periods_is_a_missed_renewal(log: Log) -> None:
    seconds = (0.0, 2.1, 4.0, 9.5, 11.5)
    log.write(*(an_event("update", "leases", second=second) for second in seconds))
    log.write(an_event("update", "leases", second=13.0, code=409))
    log.write(an_event("get", "leases", second=14.0))

    renewals = find_renewals(log.requests.read(), period_seconds=2.0)

    assert (renewals.count, renewals.missed) == (5, 1)
    assert renewals.longest_gap_seconds == pytest.approx(5.5)


def test_the_first_status_that_was_stored_counts(log: Log) -> None:
    status = "workqueuejobs/status"
    log.write(
        an_event("patch", status, second=1.0, code=409),
        an_event("patch", status, second=2.0),
        an_event("patch", status, second=3.0),
        an_event("patch", "workqueuejobs", second=0.5),
    )

    first = find_first_statuses(log.requests.read())

    assert list(first) == ["run-1"]
    assert first["run-1"] % 60 == pytest.approx(2.0)


def test_a_job_is_of_the_run_that_its_name_begins_with(log: Log) -> None:
    log.write(
        an_event("create", "jobs", name="run-1-1f0c4-3"),
        an_event("create", "jobs", name="run-11-0aa11-1"),
        an_event("create", "jobs", name="run-1-1f0c4-4", code=409),
    )

    assert {run: len(at) for run, at in find_created_jobs(log.requests.read()).items()} == {
        "run-1": 1,
        "run-11": 1,
    }


def test_each_item_gets_the_first_job_after_it_that_no_other_item_has() -> None:
    published = [Publication("run-1", 10.0), Publication("run-1", 11.0), Publication("run-2", 10.0)]

    decisions = match_decisions(published, {"run-1": [9.0, 11.5, 13.0], "run-2": [9.0]})

    assert decisions.latencies == [1.5, 2.0]
    assert decisions.without_job == 1
