"""An API server in memory, as far as the operator uses one: versions, conflicts and refusals.

No controller runs behind it: a test changes Jobs itself.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.builders import NAMESPACE, NOON
from workqueuejob.errors import ClusterError, Conflict, JobNameConflict, NotFound

Manifest = dict[str, Any]


@dataclass
class FakeCluster:
    """Objects by name; every request is noted in `requests`.

    refusal: what creating a Job, really or as a trial, is answered with.
    refused: what other requests are answered with, by the words in `requests`.
    guard: called before every write, as the connection does.
    """

    jobs: dict[str, Manifest] = field(default_factory=dict)
    secrets: dict[str, Manifest] = field(default_factory=dict)
    pods: list[Manifest] = field(default_factory=list)
    work_queue_job: Manifest = field(default_factory=dict)
    events: list[Manifest] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    refusal: ClusterError | None = None
    refused: dict[str, ClusterError] = field(default_factory=dict)
    version: int = 1000
    guard: Callable[[], None] = lambda: None

    def next_version(self) -> str:
        self.version += 1
        return str(self.version)

    async def create_job(self, manifest: Manifest, *, dry_run: bool = False) -> Manifest:
        self.guard()
        self.requests.append("try job" if dry_run else "create job")
        if self.refusal is not None:
            raise self.refusal
        if dry_run:
            return manifest
        name = manifest["metadata"]["name"]
        if name in self.jobs:
            raise JobNameConflict(f"jobs.batch {name!r} already exists")
        created = copy.deepcopy(manifest)
        created["metadata"] |= {
            "resourceVersion": self.next_version(),
            "uid": f"uid of {name}",
            "creationTimestamp": NOON.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        self.jobs[name] = created
        return copy.deepcopy(created)

    async def read_job(self, namespace: str, name: str) -> Manifest:
        assert namespace == NAMESPACE
        self.requests.append("read job")
        return copy.deepcopy(self._job(name))

    async def list_jobs(self, namespace: str, *, label_selector: str) -> tuple[list[Manifest], str]:
        assert namespace == NAMESPACE
        self.requests.append("list jobs")
        key, _, values = label_selector.removesuffix(")").partition(" in (")
        wanted = set(values.split(","))
        found = [j for j in self.jobs.values() if j["metadata"]["labels"].get(key) in wanted]
        return copy.deepcopy(found), str(self.version)

    async def delete_job(
        self, _namespace: str, name: str, *, uid: str, resource_version: str
    ) -> None:
        self._note_write("delete job")
        if name in self.jobs:
            assert self.jobs[name]["metadata"]["uid"] == uid
            _check_version(self.jobs[name], resource_version)
            del self.jobs[name]

    async def patch_job_spec(
        self, _namespace: str, name: str, spec: Manifest, *, resource_version: str
    ) -> Manifest:
        self._note_write("patch job", name)
        job = self._job(name)
        _check_version(job, resource_version)
        job["spec"] |= spec
        job["metadata"]["resourceVersion"] = self.next_version()
        return copy.deepcopy(job)

    async def patch_job_condition(
        self, _namespace: str, name: str, condition: Manifest, *, resource_version: str
    ) -> Manifest:
        self._note_write("patch job status")
        job = self._job(name)
        _check_version(job, resource_version)
        job.setdefault("status", {}).setdefault("conditions", []).append(condition)
        job["metadata"]["resourceVersion"] = self.next_version()
        return copy.deepcopy(job)

    async def patch_status(
        self, _namespace: str, _name: str, status: Manifest, *, resource_version: str
    ) -> Manifest:
        self._note_write("patch status")
        if not self.work_queue_job:
            raise NotFound("workqueuejobs.wqj.dev not found")
        _check_version(self.work_queue_job, resource_version)
        merged = {**self.work_queue_job.get("status", {}), **status}
        kept = {key: value for key, value in merged.items() if value is not None}
        self.work_queue_job["status"] = kept
        self.work_queue_job["metadata"]["resourceVersion"] = self.next_version()
        return copy.deepcopy(self.work_queue_job)

    async def read_work_queue_job(self, _namespace: str, _name: str) -> Manifest | None:
        self._note("read workqueuejob")
        return copy.deepcopy(self.work_queue_job) or None

    async def list_work_queue_jobs(self, namespace: str | None, *, limit: int) -> list[Manifest]:
        assert limit == 1
        self._note("list workqueuejobs", namespace or "")
        return []

    async def delete_work_queue_job(
        self, _namespace: str, _name: str, *, uid: str, resource_version: str
    ) -> None:
        self._note_write("delete workqueuejob")
        assert self.work_queue_job["metadata"]["uid"] == uid
        _check_version(self.work_queue_job, resource_version)
        self.work_queue_job = {}

    async def list_pods(self, _namespace: str, **_selectors: Any) -> list[Manifest]:
        self.requests.append("list pods")
        return copy.deepcopy(self.pods)

    async def delete_pod(
        self, _namespace: str, name: str, *, uid: str, grace_period_seconds: int
    ) -> None:
        self.guard()
        self.requests.append(f"delete pod {name} {uid} {grace_period_seconds}")

    async def read_secret(self, namespace: str, name: str) -> Manifest | None:
        assert namespace == NAMESPACE
        self.requests.append(f"read secret {name}")
        return self.secrets.get(name)

    async def create_event(self, _namespace: str, manifest: Manifest) -> None:
        self.guard()
        self.requests.append("create event")
        name = manifest["metadata"].get("name")
        if name is not None and name in {event["metadata"].get("name") for event in self.events}:
            raise JobNameConflict(f"events.events.k8s.io {name!r} already exists")
        self.events.append(manifest)

    def _note_write(self, request: str, name: str = "") -> None:
        self.guard()
        self._note(request, name)

    def _note(self, request: str, name: str = "") -> None:
        self.requests.append(request)
        refusal = self.refused.get(request) or self.refused.get(f"{request} {name}")
        if refusal is not None:
            raise refusal

    def _job(self, name: str) -> Manifest:
        if name not in self.jobs:
            raise NotFound(f"jobs.batch {name!r} not found")
        return self.jobs[name]


def _check_version(manifest: Manifest, resource_version: str) -> None:
    if manifest["metadata"]["resourceVersion"] != resource_version:
        raise Conflict("the object has been modified")
