"""A webhook for Jobs that nothing answers for, on a real API server, and the operator beside it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from kubernetes import client

from dev.servers.ports import find_free_ports
from dev.servers.redis import RedisServer, redis_server
from workqueuejob.names import job_name

from .api_server import ApiServer, Create
from .manifests import Manifest, merged, redis, spec
from .replicas import Election
from .waiting import wait_for

pytestmark = [pytest.mark.apiserver, pytest.mark.redis, pytest.mark.timeout(300)]

__all__ = ["redis_server"]

WEBHOOK = "jobs.example.com"


@dataclass(frozen=True, slots=True)
class Webhook:
    """The configuration of a webhook that every Job needs; nothing listens at its address."""

    api_server: ApiServer
    directory: Path

    def configure(self) -> None:
        (port,) = find_free_ports(1)
        rule = {
            "apiGroups": ["batch"],
            "apiVersions": ["v1"],
            "operations": ["CREATE", "UPDATE"],
            "resources": ["jobs"],
        }
        webhook = {
            "name": WEBHOOK,
            "clientConfig": {"url": f"https://127.0.0.1:{port}/jobs"},
            "rules": [rule],
            "failurePolicy": "Fail",
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
            "timeoutSeconds": 2,
        }
        manifest = {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": WEBHOOK},
            "webhooks": [webhook],
        }
        path = self.directory / "webhook.json"
        path.write_text(json.dumps(manifest))
        self.api_server.kubectl("create", "-f", str(path))

    def remove(self) -> None:
        self.api_server.kubectl(
            "delete", "validatingwebhookconfigurations", WEBHOOK, "--ignore-not-found"
        )

    def is_asked(self) -> bool:
        """Return whether the API server asks it already: it learns of it a moment later."""
        jobs = client.BatchV1Api(self.api_server.objects.api_client)
        container = client.V1Container(name="any", image="any")
        pod = client.V1PodSpec(containers=[container], restart_policy="Never")
        template = client.V1PodTemplateSpec(spec=pod)
        job = client.V1Job(
            metadata=client.V1ObjectMeta(name="any"), spec=client.V1JobSpec(template=template)
        )
        try:
            jobs.create_namespaced_job("default", job, dry_run="All")
        except client.ApiException as error:
            return WEBHOOK in (error.body or "")
        return False


@dataclass(frozen=True, slots=True)
class Run:
    """A WorkQueueJob with one item in its queue, and the operator that works on it."""

    api_server: ApiServer
    name: str

    def read(self) -> Manifest:
        found: Manifest = json.loads(
            self.api_server.kubectl("get", "wqj", self.name, "-n", "default", "-o", "json")
        )
        return found

    def await_progressing(self, reason: str) -> Manifest:
        """Wait until Progressing has the reason; return the condition."""

        def find() -> Manifest:
            conditions = self.read().get("status", {}).get("conditions", ())
            return next((c for c in conditions if c["type"] == "Progressing"), {})

        wait_for(lambda: find().get("reason") == reason, seconds=60, what=f"the reason {reason}")
        return find()

    def list_jobs(self) -> list[str]:
        listed = self.api_server.kubectl("get", "jobs", "-n", "default", "-o", "name")
        return [line.removeprefix("job.batch/") for line in listed.splitlines()]


@pytest.fixture
def webhook(api_server: ApiServer, tmp_path: Path) -> Iterator[Webhook]:
    webhook = Webhook(api_server, tmp_path)
    webhook.configure()
    wait_for(webhook.is_asked, seconds=30, what="a webhook that is asked")
    yield webhook
    webhook.remove()


@pytest.fixture
def run(
    webhook: Webhook, redis_server: RedisServer, create: Create, tmp_path: Path
) -> Iterator[Run]:
    redis_server.client().rpush("fruits", "apple")
    source = redis({"list": {"key": "fruits"}}, host="127.0.0.1", port=redis_server.port)
    name = create(merged(source, spec(worker={"source": "Image"})))
    election = Election(webhook.api_server, tmp_path)
    with election.running("only") as replica:
        replica.await_ready(seconds=120)
        yield Run(webhook.api_server, name)
    election.remove()
    webhook.api_server.kubectl("delete", "jobs", "--all", "-n", "default", "--wait=false")


def test_webhook_that_is_silent_is_named_and_hinders_nothing_but_jobs(
    webhook: Webhook, run: Run
) -> None:
    refused = run.await_progressing("JobRejected")
    assert refused["status"] == "False"
    assert f'failed calling webhook "{WEBHOOK}"' in refused["message"]

    run.api_server.patch(run.name, spec(suspend=True))
    assert run.await_progressing("Suspended")["status"] == "False"
    assert run.read()["status"]["observedGeneration"] == 2

    run.api_server.patch(run.name, spec(suspend=False))
    run.await_progressing("JobRejected")
    assert run.list_jobs() == []

    webhook.remove()
    run.await_progressing("Working")
    assert run.list_jobs() == [job_name(run.name, run.read()["metadata"]["uid"], 1)]
