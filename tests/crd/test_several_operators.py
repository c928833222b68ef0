"""Several installations of the operator against one API server, each with a Lease of its own."""

import json
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from dev.servers.redis import RedisServer
from workqueuejob.names import GROUP, PLURAL, VERSION

from .api_server import ApiServer
from .manifests import build_manifest, redis
from .replicas import Election, Replica
from .waiting import wait_for

pytestmark = [
    pytest.mark.apiserver,
    pytest.mark.redis,
    pytest.mark.starts_early,
    pytest.mark.timeout(300),
]

PATIENCE_SECONDS = 60
TEAM = "several-operators"
NO_BROKER = {"spec": {"queue": {"rabbitmq": {"host": "127.0.0.1", "port": 1, "queue": "q"}}}}

Manifest = dict[str, Any]


@pytest.fixture
def cluster(api_server: ApiServer) -> Iterator[ApiServer]:
    """The API server with a team's namespace; all runs go when the test ends."""
    if TEAM not in api_server.kubectl("get", "namespaces", "-o", "name"):
        api_server.kubectl("create", "namespace", TEAM)
    yield api_server
    for kind in ("wqj", "jobs", "events"):
        for namespace in ("default", TEAM):
            api_server.kubectl("delete", kind, "-n", namespace, "--all", "--wait=false")


@contextmanager
def serving(cluster: ApiServer, directory: Path, name: str, *options: str) -> Iterator[Replica]:
    """Run the one replica of an installation, whose Lease has its name, until the context ends."""
    installation = Election(cluster, directory, name)
    with installation.running(name, namespaces=(), options=options) as replica:
        replica.await_ready(seconds=PATIENCE_SECONDS)
        yield replica
        replica.signal(signal.SIGTERM)
        replica.process.wait(timeout=PATIENCE_SECONDS)
    installation.remove()


def create(cluster: ApiServer, namespace: str, name: str, changes: Manifest) -> None:
    manifest = build_manifest(changes)
    manifest["metadata"] = {"name": name}
    cluster.objects.create_namespaced_custom_object(GROUP, VERSION, namespace, PLURAL, manifest)


def read(cluster: ApiServer, namespace: str, name: str) -> Manifest:
    text = cluster.kubectl("get", "wqj", "-n", namespace, name, "-o", "json")
    found: Manifest = json.loads(text)
    return found


def holder(cluster: ApiServer, namespace: str, name: str) -> str | None:
    value: str | None = read(cluster, namespace, name).get("status", {}).get("installation")
    return value


def await_holder(cluster: ApiServer, namespace: str, name: str, installation: str) -> None:
    wait_for(
        lambda: holder(cluster, namespace, name) == installation,
        seconds=PATIENCE_SECONDS,
        what=f"{namespace}/{name} of {installation}",
    )


def conflicts(cluster: ApiServer, namespace: str) -> list[str]:
    """Return the notes of the Events about conflicts."""
    selected = ("-n", namespace, "--field-selector=reason=OperatorConflict", "-o", "json")
    events = json.loads(cluster.kubectl("get", "events.v1.events.k8s.io", *selected))["items"]
    return [event["note"] for event in events]


def count_failures(replica: Replica) -> float:
    """Return how many measurements of queues have failed."""
    pattern = r"^wqj_measurement_errors_total\{.*\} (\S+)$"
    return sum(map(float, re.findall(pattern, replica.get("/metrics")[1], re.MULTILINE)))


def jobs(cluster: ApiServer, namespace: str) -> list[str]:
    return cluster.kubectl("get", "jobs", "-n", namespace, "-o", "name").split()


@pytest.mark.nightly
def test_two_that_serve_one_namespace_leave_a_run_to_one_of_them(
    cluster: ApiServer, tmp_path: Path
) -> None:
    with serving(cluster, tmp_path, "one") as one:
        create(cluster, "default", "fruits", NO_BROKER)
        await_holder(cluster, "default", "fruits", "default/one")
        # The other one may connect to no such host, and would write that into the status.
        with serving(cluster, tmp_path, "two", "--allowed-host=mq.example") as two:
            wait_for(
                lambda: len(conflicts(cluster, "default")) == 1,
                seconds=PATIENCE_SECONDS,
                what="the Event",
            )
            before, failures = read(cluster, "default", "fruits"), count_failures(one)
            wait_for(
                lambda: count_failures(one) >= failures + 2,
                seconds=PATIENCE_SECONDS,
                what="two more measurements",
            )

            assert read(cluster, "default", "fruits") == before
            assert 'reason="OperatorConflict"} 1.0' in two.get("/metrics")[1]
            assert 'reason="OperatorConflict"' not in one.get("/metrics")[1]
            # Neither has begun this one: the first status decides, and the other one leaves it.
            create(cluster, "default", "pears", NO_BROKER)
            wait_for(
                lambda: len(conflicts(cluster, "default")) == 2,
                seconds=PATIENCE_SECONDS,
                what="the second Event",
            )
        assert "left to another installation" in two.log()
    (reachable,) = [c for c in before["status"]["conditions"] if c["type"] == "QueueReachable"]
    assert reachable["reason"] == "ConnectionFailed"
    assert holder(cluster, "default", "fruits") == "default/one"
    assert holder(cluster, "default", "pears") in {"default/one", "default/two"}


@pytest.mark.nightly
def test_namespace_is_handed_over_in_mid_run(
    cluster: ApiServer, tmp_path: Path, redis_server: RedisServer
) -> None:
    """The steps of docs/operations.md."""
    queue = redis(host="127.0.0.1", port=redis_server.port)
    redis_server.client().rpush("job2", *"abc")
    with serving(cluster, tmp_path, "rest"):
        for namespace in ("default", TEAM):
            create(cluster, namespace, "fruits", queue)
            await_holder(cluster, namespace, "fruits", "default/rest")
        wait_for(lambda: len(jobs(cluster, TEAM)) == 1, seconds=PATIENCE_SECONDS, what="the Job")
    begun = jobs(cluster, TEAM)

    with (
        serving(cluster, tmp_path, "rest", f"--exclude-namespace={TEAM}") as rest,
        serving(
            cluster, tmp_path, "team", f"--namespace={TEAM}", "--take-over-from=default/rest"
        ) as team,
    ):
        await_holder(cluster, TEAM, "fruits", "default/team")
        create(cluster, TEAM, "pears", NO_BROKER)
        await_holder(cluster, TEAM, "pears", "default/team")

        assert 'namespace="default"' in rest.get("/metrics")[1]
        assert f'namespace="{TEAM}"' not in rest.get("/metrics")[1]
        assert 'namespace="default"' not in team.get("/metrics")[1]
    assert jobs(cluster, TEAM) == begun
    assert holder(cluster, "default", "fruits") == "default/rest"
    assert conflicts(cluster, TEAM) == conflicts(cluster, "default") == []
