"""Kubernetes' Job controller, for the Jobs that we make: Indexed, with a back-off limit per index
and podReplacementPolicy Failed.

Sources: the Job API (batch/v1), KEP-3850 (back-off per index), KEP-3939 (replacement), KEP-3998
(SuccessCriteriaMet), KEP-3715 (elastic Indexed Jobs), and what design.md tried on 1.36. A status
says what was so at the last `sync`; pods go on meanwhile.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.model.clock import Clock
from tests.model.pods import (
    GRACE_SECONDS,
    HEARTBEAT_SECONDS,
    SHORT_GRACE_SECONDS,
    Behaviour,
    Phase,
    Pod,
    Program,
    Step,
    end,
)
from tests.model.queue import Queue
from workqueuejob.brokers.worker_settings import read_settings
from workqueuejob.contract import exit_codes
from workqueuejob.contract.settings import SETTINGS, WorkerSettings
from workqueuejob.errors import Conflict, JobNameConflict, NotFound
from workqueuejob.names import KUEUE_LABEL, WAVE_LABEL

Manifest = dict[str, Any]

_FIRST_BACKOFF_SECONDS = 10.0
_TERMINAL = frozenset({"Complete", "Failed"})


def read_told(spec: Manifest) -> WorkerSettings | None:
    """Return what a Job's template tells its workers; None without the worker."""
    (container,) = spec["template"]["spec"]["containers"]
    told = {v["name"]: v["value"].replace("$$", "$") for v in container["env"] if "value" in v}
    return read_settings(told) if SETTINGS in told else None


@dataclass
class Index:
    """One completion of an Indexed Job."""

    succeeded: bool = False
    failed: bool = False
    failures: int = 0
    retry_at: float = 0.0

    @property
    def is_open(self) -> bool:
        """Whether it wants a pod, now or later."""
        return not (self.succeeded or self.failed)


@dataclass
class Job:
    """A Job as it really is; `manifest` is what the API server shows of it.

    was_lowered: its parallelism was, so that it may be less than its completions.
    """

    manifest: Manifest
    indexes: list[Index]
    pods: list[Pod] = field(default_factory=list)
    ended_pods: list[Pod] = field(default_factory=list)
    failed: int = 0
    pods_made: int = 0
    was_lowered: bool = False

    @property
    def name(self) -> str:
        """Its name."""
        name: str = self.manifest["metadata"]["name"]
        return name

    @property
    def wave(self) -> int:
        """Its wave's number."""
        return int(self.manifest["metadata"]["labels"][WAVE_LABEL])

    @property
    def spec(self) -> Manifest:
        """Its spec."""
        spec: Manifest = self.manifest["spec"]
        return spec

    @property
    def conditions(self) -> dict[str, Manifest]:
        """Its conditions by type; all that are there are true."""
        return {c["type"]: c for c in self.manifest["status"].get("conditions", ())}

    @property
    def is_queued(self) -> bool:
        """Whether Kueue decides when it runs."""
        return KUEUE_LABEL in self.manifest["metadata"]["labels"]

    @property
    def is_terminal(self) -> bool:
        """Whether it is over."""
        return not _TERMINAL.isdisjoint(self.conditions)

    @property
    def is_ending(self) -> bool:
        """Whether its end is decided."""
        return not {"SuccessCriteriaMet", "FailureTarget"}.isdisjoint(self.conditions)

    @property
    def awaits_first(self) -> bool:
        """Whether its workers are told to wait for their first item."""
        told = read_told(self.spec)
        return told is not None and told.waits_for_first

    @property
    def live_pods(self) -> list[Pod]:
        """Its pods that have not ended."""
        return [pod for pod in self.pods if pod.is_live]


class JobController:
    """The API server's Jobs and the controller that works on them.

    deleted_pods: those that are gone, with the names of their Jobs, in the order of their going.
    expired_pods: those that went with a finished Job, likewise.
    suspensions: how often others have suspended a Job.
    scaled_down: those that were deleted with an item in hand because parallelism was lowered.
    """

    def __init__(self, clock: Clock, queue: Queue, program: Behaviour) -> None:
        self.clock, self.queue, self.program = clock, queue, program
        self.deleted_jobs = 0
        self.suspensions = 0
        self.deleted_pods: list[tuple[str, Pod]] = []
        self.expired_pods: list[tuple[str, Pod]] = []
        self.scaled_down: list[Pod] = []
        self.jobs: dict[str, Job] = {}
        self.created: list[str] = []
        self._version = 1000

    @property
    def live_pods(self) -> list[Pod]:
        """All pods that have not ended, in the order of their making."""
        return [pod for job in self.jobs.values() for pod in job.live_pods]

    # What the API server offers.

    def create(self, manifest: Manifest) -> Manifest:
        """Create a Job; raise JobNameConflict if its name is taken."""
        name = manifest["metadata"]["name"]
        if name in self.jobs:
            raise JobNameConflict(name)
        stored = {**manifest, "status": {}}
        stored["metadata"] = manifest["metadata"] | {
            "creationTimestamp": self.clock.timestamp,
            "resourceVersion": self._next_version(),
            "uid": f"uid of {name}",
        }
        self.created.append(name)
        indexes = [Index() for _ in range(manifest["spec"]["completions"])]
        self.jobs[name] = Job(stored, indexes)
        return stored

    def read(self, name: str) -> Manifest:
        """Return a Job as it is shown."""
        return self._job(name).manifest

    def patch_spec(self, name: str, change: Manifest, *, resource_version: str) -> Manifest:
        """Change a Job's spec; raise Conflict if it has changed since it was read."""
        job = self._job(name, resource_version=resource_version)
        spec = job.spec | change
        if spec["completions"] != job.spec["completions"]:
            assert spec["completions"] == spec["parallelism"], "completions are immutable"
            job.indexes += [Index() for _ in range(spec["completions"] - len(job.indexes))]
        job.was_lowered |= spec["parallelism"] < job.spec["parallelism"]
        self._store(job, spec=spec)
        return job.manifest

    def add_condition(self, name: str, condition: Manifest, *, resource_version: str) -> Manifest:
        """Add a condition to a Job's status; raise Conflict if it has changed."""
        job = self._job(name, resource_version=resource_version)
        self._add_condition(job, condition["type"], condition["reason"])
        return job.manifest

    def delete_pods(self, name: str) -> None:
        """Delete a Job's pods, with little grace; to the Job they are pods that fail."""
        for pod in self._job(name).live_pods:
            self.program.hear_sigterm(pod, self.queue, grace_seconds=SHORT_GRACE_SECONDS)

    def delete(self, name: str) -> None:
        """Delete a Job and its pods at once, as a person may."""
        job = self.jobs.pop(name)
        self.deleted_jobs += 1
        for pod in job.live_pods:
            if pod.may_step:
                end(pod, Phase.FAILED, self.queue)
            else:
                self.cut_off(pod)
        self.deleted_pods += [(name, pod) for pod in (*job.pods, *job.ended_pods)]

    def expire(self, name: str, *, uid: str, resource_version: str) -> None:
        """Delete a Job, as the operator does; raise Conflict if it has changed."""
        job = self._job(name, resource_version=resource_version)
        assert job.manifest["metadata"]["uid"] == uid
        assert job.is_terminal or job.spec["suspend"], "a Job was deleted that may still run"
        self.deleted_jobs += not job.is_terminal
        assert not job.live_pods, "pods were deleted with their Job"
        del self.jobs[name]
        self.expired_pods += [(name, pod) for pod in job.ended_pods]

    def suspend(self, name: str) -> None:
        """Suspend a Job, as a person or another controller may."""
        job = self._job(name)
        if not job.spec.get("suspend"):
            self.suspensions += 1
            self._store(job, spec=job.spec | {"suspend": True})

    def admit(self) -> None:
        """Let Kueue admit every Job that it is asked for, as far as it has suspended them."""
        for job in self.jobs.values():
            if job.is_queued and job.spec.get("suspend"):
                self._store(job, spec=job.spec | {"suspend": False})

    # What happens on the nodes.

    def step_pod(self, pod: Pod, step: Step) -> None:
        """Let a pod's program go on."""
        if pod.may_step:
            self.program.go_on(pod, step, self.queue)

    def evict(self, pod: Pod) -> None:
        """Delete a pod as a drain does."""
        pod.is_disrupted = True
        self.program.hear_sigterm(pod, self.queue)

    def lose(self, pod: Pod, *, is_powerless: bool) -> None:
        """Lose a pod's node, after which it is deleted and stays."""
        if pod.is_lost:
            return
        pod.lost_at, pod.is_powerless, pod.is_disrupted = self.clock.seconds, is_powerless, True
        if pod.kill_at is None:
            pod.kill_at = self.clock.seconds + GRACE_SECONDS

    def find_again(self, pod: Pod) -> None:
        """Bring a pod's node back, which tells what has become of the pod."""
        if pod.is_powerless and pod.phase in {Phase.PENDING, Phase.RUNNING}:
            self.cut_off(pod)
            pod.phase, pod.exit_code = Phase.FAILED, exit_codes.KILLED
        pod.lost_at, pod.is_powerless = None, False

    def cut_off(self, pod: Pod) -> None:
        """Let the broker notice that a program is gone."""
        if isinstance(self.program, Program):
            self.queue.disconnect(pod.name)
        else:
            self.queue.cut_off(pod.name)

    def kill_late_pods(self) -> None:
        """Kill the pods whose grace is over; of a node without power the broker hears no more."""
        now = self.clock.seconds
        for pod in self.live_pods:
            if pod.lost_at is not None:
                if (
                    pod.is_powerless
                    and not self.queue.keeps_connections
                    and now - pod.lost_at >= HEARTBEAT_SECONDS
                ):
                    self.cut_off(pod)
            elif pod.kill_at is not None and pod.kill_at <= now:
                self.program.run_out_of_grace(pod, self.queue)

    # What the controller does.

    def sync(self, job: Job) -> None:
        """Count the pods that ended, decide the Job's end, make or end pods, write the status."""
        if job.is_terminal:
            return
        self._count_ended_pods(job)
        self._decide_end(job)
        if job.is_ending or job.spec.get("suspend"):
            self._delete_pods(job, job.live_pods)
        else:
            self._fit_pods(job)
        self._write_counters(job)
        self._finish(job)

    def _count_ended_pods(self, job: Job) -> None:
        for pod in [pod for pod in job.pods if not pod.is_live]:
            job.pods.remove(pod)
            if pod.kill_at is None:
                job.ended_pods.append(pod)
            else:
                self.deleted_pods.append((job.name, pod))
            if pod.is_tracked:
                self._count(job, pod)

    def _count(self, job: Job, pod: Pod) -> None:
        index = job.indexes[pod.index]
        if pod.phase is Phase.SUCCEEDED:
            index.succeeded = True
            return
        index.retry_at = self.clock.seconds + _FIRST_BACKOFF_SECONDS * 2**index.failures
        if pod.is_disrupted or pod.exit_code in _ignored_codes(job.spec):
            return
        job.failed += 1
        index.failures += 1
        index.failed = index.failures > job.spec["backoffLimitPerIndex"]

    def _decide_end(self, job: Job) -> None:
        if job.is_ending or any(index.is_open for index in job.indexes):
            return
        if any(index.failed for index in job.indexes):
            self._add_condition(job, "FailureTarget", "FailedIndexes")
        else:
            self._add_condition(job, "SuccessCriteriaMet", "CompletionsReached")

    def _finish(self, job: Job) -> None:
        conditions = job.conditions
        if job.live_pods or job.spec.get("suspend"):
            # The API server takes no end of a Job without startTime.
            return
        if "FailureTarget" in conditions:
            self._add_condition(job, "Failed", conditions["FailureTarget"]["reason"])
        elif "SuccessCriteriaMet" in conditions:
            self._add_condition(job, "Complete", conditions["SuccessCriteriaMet"]["reason"])

    def _delete_pods(self, job: Job, pods: list[Pod]) -> None:
        if not (job.is_ending or job.spec.get("suspend")):
            self.scaled_down += [pod for pod in pods if pod.name in self.queue.holders]
        for pod in pods:
            pod.is_tracked = False
            self.program.hear_sigterm(pod, self.queue)

    def _fit_pods(self, job: Job) -> None:
        """Make the pods that are missing, or delete those that are too many."""
        open_indexes = sum(index.is_open for index in job.indexes)
        wanted = min(job.spec["parallelism"], open_indexes)
        active = [pod for pod in job.live_pods if pod.is_active]
        if len(active) > wanted:
            # Pods that don't run yet go first, and then the newest.
            starting = [pod for pod in reversed(active) if pod.phase is not Phase.RUNNING]
            running = [pod for pod in reversed(active) if pod.phase is Phase.RUNNING]
            self._delete_pods(job, [*starting, *running][: len(active) - wanted])
            return
        room = wanted - len(job.live_pods)
        for index in list(self._startable(job))[: max(0, room)]:
            job.pods_made += 1
            name = f"{job.name}-{index}-{job.pods_made}"
            job.pods.append(Pod(name, index, awaits_first=job.awaits_first))

    def _startable(self, job: Job) -> Iterator[int]:
        taken = {pod.index for pod in job.live_pods}
        for number, index in enumerate(job.indexes):
            if index.is_open and number not in taken and index.retry_at <= self.clock.seconds:
                yield number

    def _write_counters(self, job: Job) -> None:
        status = {
            "active": sum(pod.is_active for pod in job.pods),
            "ready": sum(pod.is_active and pod.phase is Phase.RUNNING for pod in job.pods),
            "terminating": sum(pod.is_terminating for pod in job.pods),
            "succeeded": sum(index.succeeded for index in job.indexes),
            "failed": job.failed,
            "failedIndexes": ",".join(str(n) for n, i in enumerate(job.indexes) if i.failed),
        }
        merged = job.manifest["status"] | status
        if merged != job.manifest["status"]:
            self._store(job, status=merged)

    def _add_condition(self, job: Job, kind: str, reason: str) -> None:
        condition = {
            "type": kind,
            "status": "True",
            "reason": reason,
            "lastTransitionTime": self.clock.timestamp,
        }
        conditions = [*job.manifest["status"].get("conditions", ()), condition]
        self._store(job, status=job.manifest["status"] | {"conditions": conditions})

    def _store(self, job: Job, **parts: Manifest) -> None:
        metadata = job.manifest["metadata"] | {"resourceVersion": self._next_version()}
        job.manifest = job.manifest | {"metadata": metadata} | parts

    def _next_version(self) -> str:
        self._version += 1
        return str(self._version)

    def _job(self, name: str, *, resource_version: str | None = None) -> Job:
        job = self.jobs.get(name)
        if job is None:
            raise NotFound(name)
        if resource_version not in {None, job.manifest["metadata"]["resourceVersion"]}:
            raise Conflict(name)
        return job


def _ignored_codes(spec: Manifest) -> frozenset[int]:
    """Return the exit codes that the Job's failure policy takes for nobody's failure."""
    rules = spec.get("podFailurePolicy", {}).get("rules", ())
    return frozenset(
        code
        for rule in rules
        if rule["action"] == "Ignore"
        for code in rule.get("onExitCodes", {}).get("values", ())
    )
