"""The operator's reconcile loop around the real planning, cut into steps.

`reconcile` yields wherever the world may go on, or the process may die: between reading Jobs and
measuring, before every request, before the status is written. A dead operator is replaced by a
new one, which knows only what the API server stores. It follows `controller/reconciler.py`.
"""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, assert_never

from tests.model.broker import Broker
from tests.model.clock import Clock
from tests.model.job_controller import JobController
from tests.model.pods import Phase
from tests.model.reports import Reports, build_manifest
from tests.model.resource_store import ResourceStore
from workqueuejob.api import WorkQueueJob
from workqueuejob.brokers.depth import Measurement
from workqueuejob.errors import ClusterUnavailable, Conflict, JobNameConflict, NotFound
from workqueuejob.planning.actions import (
    Action,
    CreateWave,
    DeleteJob,
    EndJob,
    GrowWave,
    RaiseParallelism,
    SetSuspend,
    list_never_started,
)
from workqueuejob.planning.decision import Plan
from workqueuejob.planning.evidence.evidence import Evidence, gather_evidence, note_done
from workqueuejob.planning.ledger.books import Books, reckon
from workqueuejob.planning.ledger.spans import restrict
from workqueuejob.planning.observing.jobs import read_job
from workqueuejob.planning.observing.observed import Observed, ObservedJob, PodProblem, StuckPod
from workqueuejob.planning.observing.stuck_pods import find_stuck_pods, mark_stuck
from workqueuejob.planning.pacing.urgency import Due, Urgency, judge_numbers, judge_status
from workqueuejob.planning.plan import plan
from workqueuejob.planning.pods.job_manifest import WorkerImage, build_job
from workqueuejob.planning.rules.history import list_expired
from workqueuejob.planning.status.status import build_status
from workqueuejob.planning.verdict import find_end

Witness = Callable[[Observed, Plan], None]


class Operator:
    """One process of the operator, from its start to its death.

    witness: is shown every plan before it is carried out.
    """

    def __init__(
        self,
        store: ResourceStore,
        controller: JobController,
        broker: Broker,
        *,
        clock: Clock,
        witness: Witness,
    ) -> None:
        self._store, self._controller, self._broker = store, controller, broker
        self._clock, self._witness = clock, witness
        self._seen: dict[str, ObservedJob] = {}
        self._evidence = Evidence()
        self._measured: tuple[float, Measurement | None] | None = None
        self._reports = Reports(controller)
        self._has_listed = False
        self._status_written_at = float("-inf")
        self._behind_since: float | None = None
        self.is_budget_short = False
        self.fails_next_request = False
        self.recheck_after_seconds: float | None = None
        self._round: Iterator[None] = iter(())

    def step(self) -> None:
        """Go on to the next point at which the world may go on, or begin the next round."""
        if next(self._round, _ROUND_IS_OVER) is _ROUND_IS_OVER:
            self._round = self.reconcile()

    def run_round(self) -> None:
        """Finish the round that is under way, and run a whole one undisturbed."""
        for _ in self._round:
            pass
        for _ in self.reconcile():
            pass
        self._round = iter(())

    def hear_of(self, name: str) -> None:
        """Take in a watch event: a Job as it is shown now, or its deletion."""
        if not self._has_listed:
            return
        try:
            self._see(self._controller.read(name))
        except NotFound:
            self._forget(name)

    def hear_of_pods(self) -> None:
        """Take in the watch's events of pods."""
        if self._has_listed and self._reports.catch_up():
            self._measured = None

    @property
    def known_jobs(self) -> tuple[str, ...]:
        """The names of the Jobs that it knows of."""
        return tuple(self._seen)

    def reconcile(self) -> Iterator[None]:
        """Observe, plan, apply, write the status: one round."""
        resource = self._store.current
        if not self._has_listed:
            self._list_jobs()
        if find_end(resource.status.conditions):
            yield from self._retire(resource)
            return
        jobs = self._jobs
        yield
        problem = self._find_pod_problem()
        measurement = self._measure()
        measurement = restrict(measurement, resource) if measurement else None
        stuck = self._find_stuck_pods(jobs)
        jobs = self._reports.attach(resource, mark_stuck(jobs, stuck))
        observed = Observed(resource, jobs, measurement, pod_problem=problem, stuck_pods=stuck)
        now = self._clock.now
        books = reckon(observed)
        self._evidence = gather_evidence(self._evidence, observed, books=books, now=now)
        decided = plan(observed, self._evidence, books=books, now=now)
        self.recheck_after_seconds = decided.recheck_after_seconds
        self._witness(observed, decided)
        try:
            for action in decided.actions:
                yield
                yield from self._apply(resource, action)
                self._evidence = note_done(self._evidence, (action,), now=now)
            if decided.actions:
                jobs = self._reports.attach(resource, mark_stuck(self._jobs, stuck))
                observed = replace(observed, jobs=jobs)
                withdrawn = list_never_started(decided.actions)
                books = reckon(observed, never_started=withdrawn)
            yield
            self._write_status(observed, decided, books)
            yield from self._delete(decided.deletions)
        except Conflict:
            self._has_listed = False
        except ClusterUnavailable:
            return

    def _retire(self, resource: WorkQueueJob) -> Iterator[None]:
        """Delete what is not kept of a run that is over; say what a change of its spec comes to."""
        yield from self._delete(list_expired(resource, self._jobs))
        observed = Observed(resource, jobs=(), measurement=None)
        books = reckon(observed)
        decided = plan(observed, self._evidence, books=books, now=self._clock.now)
        yield
        with contextlib.suppress(Conflict):
            self._write_status(observed, decided, books)

    @property
    def _jobs(self) -> tuple[ObservedJob, ...]:
        return tuple(sorted(self._seen.values(), key=lambda job: job.wave))

    def _list_jobs(self) -> None:
        self._has_listed = True
        for name in self._seen.keys() - self._controller.jobs.keys():
            self._forget(name)
        for job in self._controller.jobs.values():
            self._see(job.manifest)

    def _see(self, manifest: dict[str, Any]) -> None:
        job = read_job(manifest)
        if self._seen.get(job.name) != job:
            self._seen[job.name] = job
            self._measured = None

    def _forget(self, name: str) -> None:
        if self._seen.pop(name, None) is not None:
            self._measured = None

    def _measure(self) -> Measurement | None:
        """A measurement serves until Jobs change or time passes."""
        if self._measured is None or self._measured[0] < self._clock.seconds:
            self._measured = (self._clock.seconds, self._broker.measure())
        return self._measured[1]

    def _find_pod_problem(self) -> PodProblem | None:
        """Every pod that has not started yet is one that can't."""
        pods = [pod for pod in self._controller.live_pods if not pod.is_terminating]
        pending = [pod for pod in pods if pod.phase is Phase.PENDING and pod.may_step]
        if not pending:
            return None
        return PodProblem("Unschedulable", "0/3 nodes are available", pods=len(pending))

    def _find_stuck_pods(self, jobs: tuple[ObservedJob, ...]) -> tuple[StuckPod, ...]:
        pods = [
            build_manifest(job.name, pod)
            for job in jobs
            if job.terminating and job.name in self._controller.jobs
            for pod in self._controller.jobs[job.name].live_pods
        ]
        return find_stuck_pods(pods, now=self._clock.now)

    def _apply(self, resource: WorkQueueJob, action: Action) -> Iterator[None]:
        if self.fails_next_request:
            self.fails_next_request = False
            raise ClusterUnavailable("503")
        try:
            if isinstance(action, EndJob) and not action.with_grace:
                self._controller.delete_pods(action.job)
                yield
            self._request(resource, action)
        except NotFound:
            if isinstance(action, CreateWave):
                raise
            self._forget(action.job)

    def _delete(self, deletions: tuple[DeleteJob, ...]) -> Iterator[None]:
        for deletion in deletions:
            yield
            try:
                self._controller.expire(
                    deletion.job, uid=deletion.uid, resource_version=deletion.resource_version
                )
            except (NotFound, Conflict):
                self._has_listed = False
            else:
                self._forget(deletion.job)

    def _request(self, resource: WorkQueueJob, action: Action) -> None:
        match action:
            case CreateWave():
                self._see(self._create(resource, action))
            case RaiseParallelism(job, parallelism, version):
                self._patch(job, {"parallelism": parallelism}, version)
            case GrowWave(job, completions, version):
                change = {"completions": completions, "parallelism": completions}
                self._patch(job, change, version)
            case SetSuspend(job, suspend, version, parallelism):
                resized = {} if parallelism is None else {"parallelism": parallelism}
                self._patch(job, {"suspend": suspend, **resized}, version)
            case EndJob():
                kind = "SuccessCriteriaMet" if action.succeeded else "FailureTarget"
                condition = {"type": kind, "reason": action.reason}
                manifest = self._controller.add_condition(
                    action.job, condition, resource_version=action.resource_version
                )
                self._see(manifest)
            case DeleteJob():
                self._controller.expire(
                    action.job, uid=action.uid, resource_version=action.resource_version
                )
                self._forget(action.job)
            case _:
                assert_never(action)

    def _create(self, resource: WorkQueueJob, action: CreateWave) -> dict[str, Any]:
        manifest = build_job(resource, action, WorkerImage("worker"))
        try:
            return self._controller.create(manifest)
        except JobNameConflict:
            # In the model every Job is ours.
            return self._controller.read(manifest["metadata"]["name"])

    def _patch(self, name: str, change: dict[str, Any], version: str) -> None:
        self._see(self._controller.patch_spec(name, change, resource_version=version))

    def _write_status(self, observed: Observed, decided: Plan, books: Books) -> None:
        old = observed.resource.status
        new = build_status(observed, decided, books=books, now=self._clock.now)
        urgency = judge_status(old, new, acted=bool(decided.actions), restless=False)
        if urgency is None:
            self._behind_since = None
            return
        if urgency is Urgency.NUMBERS and not self._may_write_numbers():
            return
        version = observed.resource.metadata.resource_version
        self._store.patch_status(new, resource_version=version)
        self._status_written_at = self._clock.seconds
        self._behind_since = None

    def _may_write_numbers(self) -> bool:
        now = self._clock.seconds
        self._behind_since = now if self._behind_since is None else self._behind_since
        due = judge_numbers(
            since_write=now - self._status_written_at,
            behind=now - self._behind_since,
            restless=False,
        )
        return due is Due.NOW or (due is Due.IF_SPARE and not self.is_budget_short)


_ROUND_IS_OVER = object()
