"""Many WorkQueueJobs cost a broker one connection, and two on one queue share its items."""

import re

import pytest

from dev.environment import NAMESPACE, RELEASE
from dev.workspaces.objects import a_login
from dev.workspaces.redis import Redis
from dev.workspaces.workspace import PRINT, Manifest, Workspace, a_manifest, poll, reason_of

from .operator_process import list_operator_pods

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

NAMES = ("one", "two", "three", "four", "five")
PASSWORD = "s3cret"


def test_five_work_queue_jobs_of_one_broker_share_a_connection(workspace: Workspace) -> None:
    user = workspace.queue
    workspace.broker.add_user(user, PASSWORD)
    queues = [f"{user}-{name}" for name in NAMES]
    for queue in queues:
        workspace.broker.declare(queue)
    waiting = [
        a_manifest(
            workspace, name, emptyStart="Wait",
            rabbitmq={"queue": queue, "credentialsSecretRef": {"name": "rabbitmq"}},
        )
        for name, queue in zip(NAMES, queues, strict=True)
    ]  # fmt: skip

    workspace.apply(a_login("rabbitmq", user, PASSWORD), *waiting)

    for name in NAMES:
        workspace.wait_for_reason(name, "Progressing", "WaitingForItems", seconds=30)
    # The broker's own count comes a few seconds late, and then stays.
    opened = poll(lambda: _connections(workspace, user=user), bool, seconds=20)
    assert len(opened) == 1, opened
    waiting_ones = f'wqj_workqueuejobs{{namespace="{user}",reason="WaitingForItems"}} 5.0'
    poll(lambda: _metrics_of(workspace), lambda told: waiting_ones in told, seconds=20)

    workspace.kubectl("delete", "wqj", "--all")
    poll(lambda: _connections(workspace, user=user), lambda left: left == [], seconds=20)
    poll(lambda: _metrics_of(workspace), lambda told: told == [], seconds=20)
    for queue in queues:
        workspace.broker.remove(queue)


def test_broker_connections_of_the_metrics_are_those_that_the_brokers_count(
    workspace: Workspace, redis: Redis
) -> None:
    workspace.broker.declare(workspace.queue)
    workspace.apply(a_manifest(workspace, "connected", emptyStart="Wait"))
    workspace.wait_for_reason("connected", "Progressing", "WaitingForItems", seconds=30)
    address = _operator_address(workspace)

    told, counted = poll(
        lambda: (
            _value(_read_operator(workspace, "metrics"), "wqj_broker_connections"),
            _connections(workspace, peer_host=address) + _redis_clients(redis, address),
        ),
        lambda seen: seen[0] == len(seen[1]),
        # Other tests' connections come and go, some of them to brokers of their own.
        seconds=90,
    )

    assert told == len(counted) >= 1


@pytest.mark.nightly
def test_two_work_queue_jobs_on_one_queue_both_end_and_lose_no_item(workspace: Workspace) -> None:
    items = [f"item-{number:02}" for number in range(12)]
    workspace.publish(items)

    workspace.apply(
        *(a_manifest(workspace, name, command=PRINT, parallelism=2) for name in ("left", "right"))
    )

    ended = [workspace.wait_for_end(name, seconds=120) for name in ("left", "right")]
    assert [reason_of(wqj, "Complete") for wqj in ended] == ["Drained", "Drained"]
    assert sorted(workspace.logs("left") + workspace.logs("right")) == items
    assert workspace.broker.depth(workspace.queue) == 0


@pytest.mark.parametrize("endpoint", ["healthz", "readyz"])
def test_operator_at_work_is_healthy_and_ready(workspace: Workspace, endpoint: str) -> None:
    assert _read_operator(workspace, endpoint) == "ok\n"


def _connections(workspace: Workspace, **wanted: str) -> list[Manifest]:
    """Return the broker's connections that are as wanted."""
    return [one for one in workspace.broker.list_connections() if wanted.items() <= one.items()]


def _redis_clients(redis: Redis, address: str) -> list[Manifest]:
    """Return the connections that Redis has from an address."""
    listed: list[Manifest] = redis.client_list()
    return [one for one in listed if one["addr"].rpartition(":")[0] == address]


def _read_operator(workspace: Workspace, path: str) -> str:
    service = f"/api/v1/namespaces/{NAMESPACE}/services/{RELEASE}:8080/proxy"
    return workspace.cluster.kubectl("get", "--raw", f"{service}/{path}").stdout


def _metrics_of(workspace: Workspace) -> list[str]:
    """Return the operator's samples about the workspace's namespace."""
    label = f'namespace="{workspace.namespace}"'
    return [line for line in _read_operator(workspace, "metrics").splitlines() if label in line]


def _operator_address(workspace: Workspace) -> str:
    pods = list_operator_pods(workspace.cluster)
    (address,) = (pod["status"]["podIP"] for pod in pods if "podIP" in pod["status"])
    return str(address)


def _value(metrics: str, sample: str) -> float:
    """Return a sample's value; 0 if it is not there."""
    found = re.search(rf"^{re.escape(sample)} (\S+)$", metrics, re.MULTILINE)
    return float(found.group(1)) if found else 0.0
