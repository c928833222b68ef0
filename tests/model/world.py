"""One run of the model: queue, Jobs, pods, strangers, time and the operator, put together.

Its methods are all that may happen; a schedule chooses among them. `run_to_end` is the schedule
in which nothing goes wrong any more, for the rule that every run ends.
"""

from dataclasses import dataclass, field
from typing import Any

from tests.builders import a_template, a_work_queue_job, a_worker_spec
from tests.model.auditor import Auditor
from tests.model.broker import Broker, Detail
from tests.model.clock import Clock
from tests.model.job_controller import Job, JobController, read_told
from tests.model.leased_queue import LeasedQueue
from tests.model.operator import Operator
from tests.model.partitioned_log import PartitionedLog
from tests.model.pods import Behaviour, Program, Step
from tests.model.queue import Queue
from tests.model.referee import Referee
from tests.model.resource_store import ResourceStore
from tests.model.strangers import Strangers
from tests.model.workers import Worker
from workqueuejob.api import Condition, WorkQueueJob
from workqueuejob.api.spec import RunPolicy
from workqueuejob.api.template_text import TemplateText
from workqueuejob.brokers.kafka.settings import KafkaSource
from workqueuejob.contract.offsets import TopicOffsets, read_offsets
from workqueuejob.planning.ledger.spans import find_span
from workqueuejob.planning.verdict import ConditionType, find_end

_QUEUES = {Detail.LEASES: LeasedQueue, Detail.LOG: PartitionedLog}


@dataclass(frozen=True)
class Setting:
    """What stays the same during a run.

    worker: our worker, in the place of the user's program.
    """

    program: Program = field(default_factory=Program)
    detail: Detail = Detail.COUNTS
    surplus_timeout_seconds: int | None = None
    spec: dict[str, Any] = field(default_factory=dict)
    worker: Worker | None = None

    @property
    def behaviour(self) -> Behaviour:
        """What runs in the pods."""
        return self.worker or self.program

    def build_resource(self) -> WorkQueueJob:
        """Return the WorkQueueJob, as the user applies it."""
        is_fine = self.spec.get("mode") == "Fine"
        spec = {**self.spec}
        rabbitmq = spec.pop("rabbitmq", None)
        if self.worker is None:
            return a_work_queue_job(
                rabbitmq={"surplus_pod_timeout_seconds": self.surplus_timeout_seconds},
                items_per_pod=None if is_fine else self.program.items_per_pod,
                **spec,
            )
        mode = "Fine" if self.worker.quota is None else "Coarse"
        return a_work_queue_job(
            rabbitmq=rabbitmq,
            redis={} if self.detail is Detail.LEASES else None,
            kafka={} if self.detail is Detail.LOG else None,
            mode=mode,
            items_per_pod=self.worker.quota,
            **(
                a_worker_spec(
                    retry={
                        "max_attempts": self.worker.max_attempts,
                        "max_lost_attempts": self.worker.max_lost_attempts,
                    }
                )
                | {"worker": {"source": "Image", "concurrency": self.worker.concurrency}}
            ),
            **spec,
        )


class World:
    """Everything that takes part in a run."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.clock = Clock()
        self.queue = _QUEUES.get(setting.detail, Queue)(self.clock)
        self.queue.hands = setting.worker.concurrency if setting.worker else 1
        self.strangers = Strangers(self.queue)
        self.broker = Broker(self.clock, self.queue, detail=setting.detail)
        self.controller = JobController(self.clock, self.queue, setting.behaviour)
        self.store = ResourceStore(setting.build_resource())
        self.referee = Referee(self.store, self.controller, self.broker, self.strangers)
        self.auditor = Auditor(self.store, self.controller, self.broker)
        self.operator = self._start_operator()
        if isinstance(self.queue, PartitionedLog):
            self.queue.find_span = lambda: find_span(self.store.current)
            self.queue.find_targets = self._find_targets

    @property
    def jobs(self) -> list[Job]:
        """The Jobs that exist."""
        return list(self.controller.jobs.values())

    @property
    def end(self) -> Condition | None:
        """The condition that ended the run."""
        return find_end(self.store.current.status.conditions)

    @property
    def is_continuous(self) -> bool:
        """Whether the run goes on when its queue is empty."""
        return self.store.current.spec.run_policy is RunPolicy.CONTINUOUS

    @property
    def progressing(self) -> str | None:
        """The reason of Progressing."""
        conditions = {c.type: c.reason for c in self.store.current.status.conditions}
        return conditions.get(ConditionType.PROGRESSING)

    def restart_operator(self) -> None:
        """Kill the operator wherever it is; a new one knows only what is stored."""
        self.referee.excuse_restart()
        self.auditor.has_restarted = True
        self.operator = self._start_operator()

    def forget_counts(self) -> None:
        """Let a broker that counts lose what it has counted."""
        self.queue.counts = None
        self.auditor.has_forgotten = True

    def sync_jobs(self) -> None:
        """Let the Job controller see to every Job."""
        for job in self.jobs:
            self.controller.sync(job)

    def deliver_events(self) -> None:
        """Let the operator's watch catch up."""
        for name in {*self.operator.known_jobs, *self.controller.jobs}:
            self.operator.hear_of(name)
        self.operator.hear_of_pods()

    def step_pods(self, step: Step) -> None:
        """Let every pod's program do the same."""
        for pod in self.controller.live_pods:
            self.controller.step_pod(pod, step)

    def delete_recorded_job(self, number: int) -> None:
        """Delete a Job by hand, of those that status knows of."""
        recorded = self.store.current.status.waves or 0
        names = [job.name for job in self.jobs if job.wave <= recorded]
        if names:
            self.controller.delete(names[number % len(names)])

    def change_template(self, number: int) -> None:
        """Change the template, as a person does; the same number is the same template."""
        self.store.change_spec(template=TemplateText.read(a_template(priority=number)))

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.advance(seconds)
        for pod in self.controller.live_pods:
            if not pod.is_frozen and pod.may_step:
                self.queue.renew(pod.name)
        self.queue.pass_time()
        self.broker.refresh()
        self.controller.kill_late_pods()

    def pass_round(self, step: Step | None) -> None:
        """Let everybody take a turn, and a second pass; without a step the pods take their time."""
        self.operator.run_round()
        self.controller.admit()
        self.sync_jobs()
        if step is not None:
            self.step_pods(step)
        self.sync_jobs()
        self.deliver_events()
        self.advance(1.0)

    def run_to_end(self, step: Step, *, rounds: int) -> None:
        """Stop all faults and let everybody take turns until the run has ended or waits.

        step: what the program does in every pod from now on.
        """
        self.broker.faults.clear()
        self.operator.fails_next_request = False
        self.store.change_spec(
            suspend=False, parallelism=max(1, self.store.current.spec.parallelism)
        )
        self.strangers.leave()
        for pod in self.controller.live_pods:
            pod.is_frozen = False
        for _ in range(rounds):
            if self.is_settled:
                break
            self.strangers.settle_all()
            self.pass_round(step)
            self.step_pods(Step.LEAVE)
            self.judge()
        if self.is_settled and self.is_continuous and self.end is None:
            self.store.change_spec(run_policy=RunPolicy.UNTIL_DRAINED)
            self.run_to_end(step, rounds=rounds)

    def judge(self) -> None:
        """Check all that must hold now."""
        self.referee.judge_step()
        if self.setting.worker is not None:
            self.auditor.audit()

    @property
    def is_settled(self) -> bool:
        """Whether the run has ended, or says what it waits for."""
        may_wait = (
            self.setting.worker is None
            and self.setting.program.waits_for_ever
            and self.setting.detail is Detail.HIDES
            and self.setting.surplus_timeout_seconds is None
        )
        return (
            self.end is not None
            or (self.is_continuous and self.progressing in {"NoProgress", "BackoffLimitExceeded"})
            or (may_wait and self.progressing == "SurplusPodsWaiting")
            or (self.progressing == "WaitingForItems" and not self.queue.ready and self.is_told)
        )

    @property
    def is_told(self) -> bool:
        """Whether the status is for the spec as it is now."""
        current = self.store.current
        return current.status.observed_generation == current.metadata.generation

    def _find_targets(self, pod: str) -> TopicOffsets | None:
        """Return the ends that a pod was told, by its Job."""
        job = next((job for job in self.jobs if pod.startswith(f"{job.name}-")), None)
        if job is None:
            return None
        told = read_told(job.spec)
        assert told is not None
        source = told.source
        assert isinstance(source, KafkaSource)
        return None if source.targets is None else read_offsets(source.targets)

    def _start_operator(self) -> Operator:
        return Operator(
            self.store,
            self.controller,
            self.broker,
            clock=self.clock,
            witness=self.referee.judge_plan,
        )
