"""What goes wrong is named by a condition that tells the remedy, and mending it is enough."""

import fcntl
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from dev.environment import NAMESPACE, RELEASE, Cluster
from dev.workspaces.broker import Broker
from dev.workspaces.workspace import (
    Manifest,
    Workspace,
    a_manifest,
    condition_of,
    message_of,
    reason_of,
)

from .locks import locked
from .mishaps import ITEMS, MISHAPS, NAME, SECRET_MARK, Mishap, break_all_once

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]


@pytest.fixture(scope="session")
def namespaces(
    cluster: Cluster, broker: Broker, shared_directory: Path, request: pytest.FixtureRequest
) -> dict[str, str]:
    """The namespaces of the mishaps that are going to be looked at, by their names."""
    selected = [
        item.callspec.params.get("mishap")
        for item in request.session.items
        if isinstance(item, pytest.Function) and hasattr(item, "callspec")
    ]
    names = [mishap.name for mishap in selected if isinstance(mishap, Mishap)]
    with locked(shared_directory / "mishaps.lock", fcntl.LOCK_EX):
        record = shared_directory / "mishaps.json"
        return break_all_once(cluster, broker, names, record=record)


@pytest.fixture
def mishap_workspace(
    namespaces: dict[str, str],
    mishap: Mishap,
    cluster: Cluster,
    broker: Broker,
    operator_to_share: None,
) -> Iterator[Workspace]:
    workspace = Workspace(cluster, broker, namespaces[mishap.name])
    try:
        yield workspace
    finally:
        workspace.close()


@pytest.mark.parametrize("mishap", MISHAPS, ids=str)
def test_mishap_is_named_with_its_remedy_and_the_run_goes_on_once_it_is_mended(
    mishap: Mishap, mishap_workspace: Workspace
) -> None:
    workspace = mishap_workspace
    seen = workspace.wait_until(
        NAME,
        lambda wqj: (
            reason_of(wqj, mishap.condition) == mishap.reason
            and all(word in message_of(wqj, mishap.condition) for word in mishap.words)
        ),
        seconds=60,
    )
    assert condition_of(seen, mishap.condition)["status"] == mishap.status
    if mishap.condition == "QueueReachable" and mishap.status == "False":
        assert reason_of(seen, "Progressing") == "QueueUnavailable"

    mishap.mend(workspace)

    ended = workspace.wait_for_end(NAME, seconds=90)
    assert reason_of(ended, "Complete") == "Drained", ended["status"]
    assert ended["status"]["progress"] == "2/2"
    assert sorted(workspace.logs(NAME)) == sorted(ITEMS)
    assert SECRET_MARK not in json.dumps([ended, workspace.events(NAME), workspace.jobs()])


def test_missing_queue_costs_one_condition_one_event_and_one_line_of_log(
    workspace: Workspace,
) -> None:
    workspace.apply(a_manifest(workspace, "flood", emptyStart="Wait"))
    broken = workspace.wait_for_reason("flood", "QueueReachable", "QueueNotFound", seconds=30)

    versions = workspace.watch(
        "wqj", "flood", "-o", "jsonpath={.metadata.resourceVersion} ", seconds=10
    )

    assert versions == [broken["metadata"]["resourceVersion"]]
    warnings = [event for event in workspace.events("flood") if event["type"] == "Warning"]
    assert [event["reason"] for event in warnings] == ["QueueNotFound"], warnings
    complaints = [
        line for line in _operator_log(workspace) if line["level"] in {"warning", "error"}
    ]
    assert [line.get("reason") for line in complaints] == ["QueueNotFound"], complaints


def _operator_log(workspace: Workspace) -> list[Manifest]:
    """Return the lines of the operator's log that mention the workspace."""
    log = workspace.cluster.kubectl(
        "logs", "-n", NAMESPACE, f"deployment/{RELEASE}", "--since=2m"
    ).stdout
    return [json.loads(line) for line in log.splitlines() if workspace.namespace in line]
