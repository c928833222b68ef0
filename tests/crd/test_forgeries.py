"""Jobs and pods of another namespace that pretend to be a run's, on a real API server."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dev.servers.redis import RedisServer, redis_server
from workqueuejob.contract.report import ItemCounts, write_report
from workqueuejob.names import JOB_LABEL, job_name

from .api_server import ApiServer, Create
from .replicas import Election
from .waiting import wait_for

pytestmark = [pytest.mark.apiserver, pytest.mark.redis, pytest.mark.timeout(300)]

__all__ = ["redis_server"]

ELSEWHERE = "elsewhere"
Manifest = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Objects:
    """Reads and writes objects of any namespace, as an administrator may."""

    api_server: ApiServer
    directory: Path

    def create(self, manifest: Manifest) -> Manifest:
        path = self.directory / "manifest.json"
        path.write_text(json.dumps(manifest))
        created: Manifest = json.loads(
            self.api_server.kubectl("create", "-f", str(path), "-o", "json")
        )
        return created

    def get(self, kind: str, name: str) -> Manifest:
        found: Manifest = json.loads(
            self.api_server.kubectl("get", kind, name, "-n", "default", "-o", "json")
        )
        return found

    def await_first_wave(self, name: str) -> None:
        wait_for(
            lambda: self.get("wqj", name).get("status", {}).get("waves") == 1,
            seconds=60,
            what="a first wave",
        )

    def forge_status(self, kind: str, manifest: Manifest, status: Manifest) -> None:
        metadata = manifest["metadata"]
        patch = json.dumps({"status": status})
        self.api_server.kubectl(
            "patch", kind, metadata["name"], "-n", metadata["namespace"],
            "--subresource=status", "--type=merge", "-p", patch,
        )  # fmt: skip


@pytest.fixture
def objects(api_server: ApiServer, tmp_path: Path) -> Iterator[Objects]:
    if f"namespace/{ELSEWHERE}" not in api_server.kubectl("get", "namespaces", "-o", "name"):
        api_server.kubectl("create", "namespace", ELSEWHERE)
    yield Objects(api_server, tmp_path)
    for kind in ("pods", "jobs"):
        for namespace in ("default", ELSEWHERE):
            api_server.kubectl(
                "delete", kind, "--all", "-n", namespace, "--grace-period=0", "--wait=false"
            )


@pytest.fixture
def victim(
    objects: Objects, redis_server: RedisServer, create: Create, tmp_path: Path
) -> Iterator[str]:
    """Run the operator, and a WorkQueueJob that one dead letter too many would end."""
    redis_server.client().rpush("fruits", "apple", "pear")
    name = create(
        {
            "spec": {
                "queue": {
                    "rabbitmq": None,
                    "redis": {
                        "host": "127.0.0.1",
                        "port": redis_server.port,
                        "list": {"key": "fruits"},
                    },
                },
                "worker": {"source": "Image"},
                "failurePolicy": {"maxDeadLettered": 1},
            }
        }
    )
    election = Election(objects.api_server, tmp_path)
    with election.running("only", namespaces=()) as replica:
        replica.await_ready(seconds=120)
        objects.await_first_wave(name)
        yield name
    election.remove()


def a_pod_of(job: Manifest, name: str, *, namespace: str = "default") -> Manifest:
    """Return a pod as the Job's controller would make it."""
    template, metadata = job["spec"]["template"], job["metadata"]
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": metadata["name"]}
    owner |= {"uid": metadata["uid"], "controller": True}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": template["metadata"]["labels"] | {JOB_LABEL: metadata["name"]},
            "ownerReferences": [owner],
        },
        "spec": template["spec"],
    }


def a_report(**counts: int) -> Manifest:
    """Return the status of a pod whose worker has ended and reported."""
    terminated = {"exitCode": 0, "message": write_report(ItemCounts(**counts))}
    container = {
        "name": "worker",
        "image": "job-wq-1",
        "imageID": "",
        "ready": False,
        "restartCount": 0,
        "state": {"terminated": terminated},
    }
    return {"phase": "Succeeded", "containerStatuses": [container]}


def a_copy_elsewhere(job: Manifest, wave: int, name: str) -> Manifest:
    """Return a Job of another namespace that names the same owner, and bears its labels."""
    metadata = job["metadata"]
    spec = {key: value for key, value in job["spec"].items() if key != "selector"}
    template = {**spec["template"], "metadata": {"labels": {"app": "forged"}}}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": name,
            "namespace": ELSEWHERE,
            "labels": metadata["labels"] | {"wqj.dev/wave": str(wave)},
            "ownerReferences": metadata["ownerReferences"],
        },
        "spec": {**spec, "template": template},
    }


def test_forgeries_in_another_namespace_change_nothing(objects: Objects, victim: str) -> None:
    uid = objects.get("wqj", victim)["metadata"]["uid"]
    first = job_name(victim, uid, 1)
    job = objects.get("job", first)
    working = objects.create(a_pod_of(job, "working"))
    objects.forge_status("pod", working, {"phase": "Running"})
    ended = objects.create(a_pod_of(job, "ended"))

    objects.create(a_copy_elsewhere(job, 99, job_name(victim, uid, 99)))
    objects.create(a_copy_elsewhere(job, 1, first))
    objects.api_server.kubectl("delete", "job", first, "-n", ELSEWHERE, "--wait=false")
    forged = objects.create(a_pod_of(job, "forged", namespace=ELSEWHERE))
    objects.forge_status("pod", forged, a_report(dead_lettered=50))
    # What the operator hears of after all that.
    objects.forge_status("pod", ended, a_report(succeeded=1))

    def is_counted() -> bool:
        counted = objects.get("wqj", victim)["status"].get("counted") or {}
        return bool(counted.get("succeeded"))

    wait_for(is_counted, seconds=60, what="the report of the run's own pod")
    status = objects.get("wqj", victim)["status"]
    assert status["counted"] == {
        "succeeded": 1, "deadLettered": 0, "discarded": 0, "attemptsFailed": 0,
        "uncertain": 0, "unreported": 0,
    }  # fmt: skip
    assert (status["waves"], [job["name"] for job in status["jobs"]]) == (1, [first])
    assert {c["type"] for c in status["conditions"]} == {"QueueReachable", "Progressing"}
    assert "deletionTimestamp" not in objects.get("pod", "working")["metadata"]
    assert not objects.get("job", first)["status"].get("conditions")
    events = objects.api_server.kubectl("get", "events", "-A", "-o", "json")
    assert ELSEWHERE not in {e["metadata"]["namespace"] for e in json.loads(events)["items"]}
