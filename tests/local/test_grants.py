"""A grant that nothing uses, and a request that is refused, fail the comparison by name."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.cluster.audit_log import Request, parse_requests, read_requests
from tests.cluster.grants import OPERATOR, Grant, expand_rules, find_problems

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
LIST_PODS = Grant("", "pods", "list")
WATCH_PODS = Grant("", "pods", "watch")
PATCH_JOB_STATUS = Grant("batch", "jobs/status", "patch")


def an_entry(
    *, verb: str = "list", decision: str = "allow", at: datetime = NOW, **reference: str
) -> dict[str, Any]:
    return {
        "kind": "Event",
        "user": {"username": OPERATOR},
        "verb": verb,
        "requestURI": "/the/path?limit=500",
        "objectRef": reference or {"resource": "pods", "namespace": "fruits", "apiVersion": "v1"},
        "annotations": {"authorization.k8s.io/decision": decision},
        "stageTimestamp": at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
    }


def parse(*entries: dict[str, Any]) -> list[Request]:
    return list(parse_requests((json.dumps(entry) + "\n" for entry in entries), since=NOW))


def find(grants: set[Grant], *entries: dict[str, Any]) -> list[str]:
    return find_problems(grants, parse(*entries), exceptions={})


def test_used_grants_are_no_problem() -> None:
    status = an_entry(verb="patch", apiGroup="batch", resource="jobs", subresource="status")
    assert find({LIST_PODS, PATCH_JOB_STATUS}, an_entry(), status) == []


def test_unused_grant_is_named() -> None:
    (problem,) = find({LIST_PODS, WATCH_PODS}, an_entry())
    assert problem.startswith("never used: watch pods;")
    on_the_resource = an_entry(verb="patch", apiGroup="batch", resource="jobs")
    (problem,) = find({PATCH_JOB_STATUS}, on_the_resource)
    assert problem.startswith("never used: patch jobs/status.batch;")


def test_use_by_another_account_in_another_namespace_or_of_another_name_does_not_count() -> None:
    stranger = an_entry()
    stranger["user"]["username"] = "system:serviceaccount:monitoring:prometheus"
    assert find({LIST_PODS}, stranger) != []
    assert find({Grant("", "pods", "list", namespace="veg")}, an_entry()) != []
    named = Grant("", "pods", "get", names=frozenset({"leader"}))
    assert find({named}, an_entry(verb="get", resource="pods", name="other")) != []
    assert find({named}, an_entry(verb="get", resource="pods", name="leader")) == []


def test_refused_request_without_a_grant_is_named() -> None:
    here = Grant("", "pods", "list", namespace="veg")
    allowed = an_entry(resource="pods", namespace="veg")
    (problem,) = find({here}, allowed, an_entry(decision="forbid"))
    assert problem.startswith("forbidden: list pods, such as /the/path?limit=500;")


def test_refusal_for_a_moment_does_not_count_as_refusal_nor_as_use() -> None:
    refused = an_entry(decision="forbid")
    assert find({LIST_PODS}, an_entry(), refused) == []
    forbidden, unused = find({LIST_PODS}, refused)
    assert unused.startswith("never used: list pods;")
    assert forbidden.startswith("forbidden: list pods,")


def test_exception_covers_a_grant_and_is_gone_when_it_covers_none() -> None:
    reason = {WATCH_PODS.key: "the reason"}
    assert find_problems({WATCH_PODS}, [], exceptions=reason) == []
    for grants, entries in ((set[Grant](), ()), ({WATCH_PODS}, (an_entry(verb="watch"),))):
        (problem,) = find_problems(grants, parse(*entries), exceptions=reason)
        assert problem.startswith("no exception any more: pods watch;")


def test_pods_of_jobs_must_not_ask_the_api_server() -> None:
    entry = an_entry()
    entry["user"]["username"] = "system:serviceaccount:wqj-test-1234:default"
    (problem,) = find(set(), entry)
    assert "wqj-test-1234:default asked" in problem


def test_requests_count_from_a_time_on_from_full_files_too(tmp_path: Path) -> None:
    log = tmp_path / "requests.log"
    before, after = an_entry(at=NOW - timedelta(seconds=1)), an_entry()
    # Cut off while it was being written.
    log.write_text(json.dumps(before) + "\n" + json.dumps(after)[:20])
    assert list(read_requests(log, since=NOW)) == []
    full = tmp_path / "requests-2026-01-01T12-00-00.000.log"
    full.write_text(json.dumps(after) + "\n")
    assert list(read_requests(log, since=NOW)) == parse(after)


def test_rules_are_taken_apart() -> None:
    rule = {"apiGroups": ["", "batch"], "resources": ["a", "b/c"], "verbs": ["get"]}
    granted = set(expand_rules({"rules": [rule]}, namespace="fruits"))
    resources = {("", "a"), ("", "b/c"), ("batch", "a"), ("batch", "b/c")}
    assert granted == {Grant(*pair, "get", namespace="fruits") for pair in resources}
