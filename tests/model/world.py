"""One run of the model: queue, Jobs, pods, strangers, time and the operator, put together.

Its methods are all that may happen; a schedule chooses among them. `run_to_end` is the schedule
in which nothing goes wrong any more, for the rule that every run ends.
"""

from dataclasses import dataclass, field
from typing import Any

from tests.builders import a_template, a_work_queue_job
from tests.model.broker import Broker, Detail
from tests.model.clock import Clock
from tests.model.job_controller import Job, JobController
from tests.model.operator import Operator
from tests.model.pods import Program, Step
from tests.model.queue import Queue
from tests.model.referee import Referee
from tests.model.resource_store import ResourceStore
from tests.model.strangers import Strangers
from workqueuejob.api import Condition
from workqueuejob.planning.verdict import ConditionType, find_end


@dataclass(frozen=True)
class Setting:
    """What stays the same during a run."""

    program: Program = field(default_factory=Program)
    detail: Detail = Detail.COUNTS
    surplus_timeout_seconds: int | None = None
    spec: dict[str, Any] = field(default_factory=dict)


class World:
    """Everything that takes part in a run."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.clock, self.queue = Clock(), Queue()
        self.strangers = Strangers(self.queue)
        self.broker = Broker(self.clock, self.queue, detail=setting.detail)
        self.controller = JobController(self.clock, self.queue, setting.program)
        self.store = ResourceStore(
            a_work_queue_job(
                rabbitmq={"surplus_pod_timeout_seconds": setting.surplus_timeout_seconds},
                items_per_pod=setting.program.items_per_pod,
                **setting.spec,
            )
        )
        self.referee = Referee(self.store, self.controller, self.broker, self.strangers)
        self.operator = self._start_operator()

    @property
    def jobs(self) -> list[Job]:
        """The Jobs that exist."""
        return list(self.controller.jobs.values())

    @property
    def end(self) -> Condition | None:
        """The condition that ended the run."""
        return find_end(self.store.current.status.conditions)

    @property
    def progressing(self) -> str | None:
        """The reason of Progressing."""
        conditions = {c.type: c.reason for c in self.store.current.status.conditions}
        return conditions.get(ConditionType.PROGRESSING)

    def restart_operator(self) -> None:
        """Kill the operator wherever it is; a new one knows only what is stored."""
        self.referee.excuse_restart()
        self.operator = self._start_operator()

    def sync_jobs(self) -> None:
        """Let the Job controller see to every Job."""
        for job in self.jobs:
            self.controller.sync(job)

    def deliver_events(self) -> None:
        """Let the operator's watch catch up."""
        for name in {*self.operator.known_jobs, *self.controller.jobs}:
            self.operator.hear_of(name)

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
        self.store.change_spec(template=a_template(priority=number))

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.advance(seconds)
        self.broker.refresh()
        self.controller.kill_late_pods()

    def pass_round(self, step: Step | None) -> None:
        """Let everybody take a turn, and a second pass; without a step the pods take their time."""
        self.operator.run_round()
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
        for _ in range(rounds):
            if self.is_settled:
                return
            self.strangers.settle_all()
            self.pass_round(step)
            self.step_pods(Step.LEAVE)
            self.referee.judge_step()

    @property
    def is_settled(self) -> bool:
        """Whether the run has ended, or says what it waits for."""
        may_wait = (
            self.setting.program.waits_for_ever
            and self.setting.detail is Detail.HIDES
            and self.setting.surplus_timeout_seconds is None
        )
        return (
            self.end is not None
            or (may_wait and self.progressing == "SurplusPodsWaiting")
            or (self.progressing == "WaitingForItems" and not self.queue.ready)
        )

    def _start_operator(self) -> Operator:
        return Operator(
            self.store,
            self.controller,
            self.broker,
            clock=self.clock,
            witness=self.referee.judge_plan,
        )
