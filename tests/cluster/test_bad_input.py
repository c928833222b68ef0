"""What the API server takes and nobody should write: each ends in its condition, and in nothing
else; the operator goes on, and so do its neighbours.
"""

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from dev.environment import LOCAL_REGISTRY, NAMESPACE, RELEASE
from dev.workspaces.prepared import BROKER_HOST, REDIS_HOST
from dev.workspaces.workspace import Manifest, Workspace, a_manifest, poll, reason_of
from tests.crd.accepted_rows import ACCEPTED_ODD
from tests.crd.odd import Accepted, changed, write

from .operator_process import list_operator_pods

pytestmark = [pytest.mark.cluster, pytest.mark.starts_early, pytest.mark.timeout(300)]

HOSTS = {"rabbitmq": BROKER_HOST, "redis": REDIS_HOST}
ITEMS = ("apple", "banana", "cherry", "date", "fig")
ODD = {f"odd-{number}": odd for number, odd in enumerate(ACCEPTED_ODD)}
CONDITIONS = '{range .items[*]}{.metadata.name}{"\\t"}{.status.conditions}{"\\n"}{end}'
"""Not the objects themselves: some are deeper than Python reads."""


def test_odd_manifests_end_in_their_conditions_and_harm_no_neighbour(workspace: Workspace) -> None:
    started, before = datetime.now(UTC), _operator_pods(workspace)
    workspace.broker.declare(workspace.queue)
    with_items = [name for name, odd in ODD.items() if odd.has_item]
    for name in with_items:
        workspace.broker.publish(_queue_of(workspace, name), ["apple"])
    workspace.broker.publish(f"{workspace.queue}.neighbour", ITEMS)

    _create_all(workspace)

    neighbour = workspace.wait_for_end("neighbour", seconds=90)
    assert reason_of(neighbour, "Complete") == "Drained"
    assert neighbour["status"]["progress"] == "5/5"
    assert sorted(workspace.logs("neighbour")) == sorted(ITEMS)
    _wait_until_each_was_right(workspace, seconds=90)
    assert _operator_pods(workspace) == before
    assert [line for line in _operator_log(workspace, since=started) if "exception" in line] == []
    for name in [*with_items, "neighbour"]:
        workspace.broker.remove(_queue_of(workspace, name))


def _queue_of(workspace: Workspace, name: str) -> str:
    return f"{workspace.queue}.{name}"


def _create_all(workspace: Workspace) -> None:
    """Create everything at once, the healthy neighbour last."""
    queue = {"queue": _queue_of(workspace, "neighbour")}
    neighbour = a_manifest(workspace, "neighbour", rabbitmq=queue, parallelism=2)
    texts = [text for name, odd in ODD.items() for text in _write_odd(workspace, name, odd)]
    text = "\n".join([*texts, json.dumps(neighbour)])
    workspace.kubectl(
        "create", "-f", "-", stdin=text.replace(LOCAL_REGISTRY, workspace.cluster.registry)
    )


def _write_odd(workspace: Workspace, name: str, odd: Accepted) -> Iterator[str]:
    if odd.secret:
        data = {
            key: base64.b64encode(value).decode() for key, value in odd.secret_at(HOSTS).items()
        }
        metadata = {"name": name}
        yield json.dumps({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data})
    queue = {"queue": _queue_of(workspace, name)} if odd.has_item else {}
    usual = a_manifest(workspace, name, rabbitmq=queue, management=False)
    manifest = changed(usual, odd.changed_at(HOSTS))
    yield write(manifest).replace('"name": "odd"', json.dumps({"name": name})[1:-1])


def _wait_until_each_was_right(workspace: Workspace, *, seconds: float) -> None:
    """Wait until each has been as it should be once: some pods come, fail and come again."""
    left = set(ODD)

    def look() -> dict[str, str]:
        wrong = dict(_find_wrong(workspace))
        left.intersection_update(wrong)
        return {name: wrong[name] for name in left}

    poll(look, lambda wrong: wrong == {}, seconds=seconds)


def _find_wrong(workspace: Workspace) -> Iterator[tuple[str, str]]:
    """Yield the odd ones that are not as they should be, and what they say instead."""
    for line in workspace.kubectl("get", "wqj", "-o", f"jsonpath={CONDITIONS}").splitlines():
        name, _, text = line.partition("\t")
        odd = ODD.get(name)
        if odd is None:
            continue
        said = {one["type"]: one for one in json.loads(text or "[]")}
        found = said.get(odd.condition, {})
        as_told = all(words in found.get("message", "") for words in odd.words)
        if found.get("reason") != odd.reason or not as_told:
            shown = {kind: f"{one['reason']}: {one['message'][:300]}" for kind, one in said.items()}
            yield name, f"{odd}: {odd.reason} {odd.words} wanted, {shown} found"


def _operator_pods(workspace: Workspace) -> dict[str, int]:
    """Return how often each of the operator's pods was started again."""
    return {
        pod["metadata"]["name"]: pod["status"]["containerStatuses"][0]["restartCount"]
        for pod in list_operator_pods(workspace.cluster)
    }


def _operator_log(workspace: Workspace, *, since: datetime) -> list[Manifest]:
    log = workspace.cluster.kubectl(
        "logs", "-n", NAMESPACE, f"deployment/{RELEASE}", f"--since-time={since:%Y-%m-%dT%H:%M:%SZ}"
    ).stdout
    return [json.loads(line) for line in log.splitlines()]
