"""A namespace goes within half a minute, also when its pods have not started."""

from typing import Any

import pytest

from dev.environment import Cluster
from dev.workspaces.broker import Broker
from dev.workspaces.workspace import Manifest, Workspace, a_manifest, open_workspace, poll

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

GONE_SECONDS = 30
"""What docs/troubleshooting.md promises."""

SLEEP = {
    "name": "slow",
    "image": "worker",
    "imagePullPolicy": "IfNotPresent",
    "command": ["sleep", "600"],
}
MISSING = {"name": "A", "valueFrom": {"configMapKeyRef": {"name": "missing", "key": "a"}}}
WORKED: dict[str, Any] = {"worker": {"source": "Image"}, "retry": {"onExhausted": "Discard"}}

REASONS: dict[str, dict[str, Any]] = {
    "config": {"container": {"env": [MISSING]}},
    "unschedulable": {"pod": {"nodeSelector": {"no": "node"}}},
    "gated": {"pod": {"schedulingGates": [{"name": "example.com/never"}]}},
    "init": {"pod": {"initContainers": [SLEEP]}},
    "volume": {"pod": {"volumes": [{"name": "v", "configMap": {"name": "missing"}}]}},
}


def test_ten_namespaces_whose_pods_have_not_started_are_gone_within_half_a_minute(
    cluster: Cluster, broker: Broker, operator_to_share: None
) -> None:
    opened = [
        (open_workspace(cluster, broker), name, is_worked)
        for name in REASONS
        for is_worked in (False, True)
    ]
    for workspace, name, is_worked in opened:
        workspace.broker.declare(workspace.queue)
        workspace.publish(("apple", "banana"))
        workspace.apply(_build(workspace, name, is_worked=is_worked))
    for workspace, name, _ in opened:
        _wait_for_pods(workspace, name)

    names = [workspace.namespace for workspace, _, _ in opened]
    cluster.kubectl("delete", "namespace", "--wait=false", *names)

    try:
        poll(
            lambda: _left(cluster, names),
            lambda left: not left,
            seconds=GONE_SECONDS,
            show=lambda left: repr([why for space, *why in opened if space.namespace in left]),
        )
    finally:
        for workspace, _, _ in opened:
            # A namespace that hangs is let go by this.
            workspace.kubectl("delete", "wqj", "--all", "--wait=false", check=False)
            workspace.broker.remove(workspace.queue)


def _build(workspace: Workspace, name: str, *, is_worked: bool) -> Manifest:
    reason = REASONS[name]
    manifest = a_manifest(
        workspace,
        name,
        parallelism=2,
        pod={"terminationGracePeriodSeconds": 1, **reason.get("pod", {})},
        container=reason.get("container"),
        **(WORKED if is_worked else {}),
    )
    pod = manifest["spec"]["template"]["spec"]
    for container in pod.get("initContainers", ()):
        container["image"] = pod["containers"][0]["image"]
    return manifest


def _wait_for_pods(workspace: Workspace, name: str) -> None:
    poll(lambda: len(workspace.pods(name)), lambda count: count == 2, seconds=60)


def _left(cluster: Cluster, names: list[str]) -> list[str]:
    listed = cluster.get("namespaces")["items"]
    there = {item["metadata"]["name"] for item in listed}
    return [name for name in names if name in there]
