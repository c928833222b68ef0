"""What may happen in any run, in whatever order; a schedule adds what is special to it."""

from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.model.pods import Pod, Step
from tests.model.world import World
from workqueuejob.api import Autoscale
from workqueuejob.api.spec import RunPolicy

_few = st.sampled_from([1, 3, 60])


class Schedule(RuleBasedStateMachine):
    """Chooses what happens next; the World holds the rules.

    world: set as soon as the subclass has begun.
    last_step: what every pod does once nothing happens any more.
    rounds, rounds_per_item: by when a run has ended then.
    """

    last_step: Step = Step.WORK
    rounds: ClassVar[int]
    rounds_per_item: ClassVar[int]

    world: World

    @property
    def running(self) -> list[Pod]:
        """The pods that live."""
        return self.world.controller.live_pods

    @property
    def lost(self) -> list[Pod]:
        """The pods whose node is not heard of."""
        return [pod for pod in self.running if pod.is_lost]

    def choose(self, number: int) -> Pod:
        """Return one of the pods that live."""
        return self.running[number % len(self.running)]

    @rule(items=st.integers(1, 4))
    def publish_burst(self, items: int) -> None:
        self.world.queue.publish(items)

    @rule(steps=st.integers(1, 6))
    def operator_goes_on(self, steps: int) -> None:
        for _ in range(steps):
            self.world.operator.step()

    @rule()
    def operator_restarts(self) -> None:
        self.world.restart_operator()

    @rule()
    def request_fails(self) -> None:
        self.world.operator.fails_next_request = True

    @rule(short=st.booleans())
    def other_requests_come_and_go(self, short: bool) -> None:
        self.world.operator.is_budget_short = short

    @precondition(lambda self: self.world.jobs)
    @rule(number=st.integers(0, 5))
    def controller_syncs_a_job(self, number: int) -> None:
        jobs = self.world.jobs
        self.world.controller.sync(jobs[number % len(jobs)])

    @rule()
    def controller_syncs_all(self) -> None:
        self.world.sync_jobs()

    @precondition(lambda self: self.world.jobs)
    @rule(number=st.integers(0, 5))
    def watch_delivers_a_job(self, number: int) -> None:
        jobs = self.world.jobs
        self.world.operator.hear_of(jobs[number % len(jobs)].name)

    @rule()
    def kueue_admits(self) -> None:
        self.world.controller.admit()

    @rule()
    def watch_catches_up(self) -> None:
        self.world.deliver_events()

    @precondition(lambda self: self.running)
    @rule(number=st.integers(0, 5), step=st.sampled_from(Step))
    def pod_goes_on(self, number: int, step: Step) -> None:
        self.world.controller.step_pod(self.choose(number), step)

    @rule()
    def pods_work(self) -> None:
        self.world.step_pods(Step.WORK)

    @precondition(lambda self: self.running)
    @rule(number=st.integers(0, 5))
    def node_evicts_a_pod(self, number: int) -> None:
        self.world.controller.evict(self.choose(number))

    @precondition(lambda self: self.running)
    @rule(number=st.integers(0, 5), is_powerless=st.booleans())
    def node_is_lost(self, number: int, is_powerless: bool) -> None:
        self.world.controller.lose(self.choose(number), is_powerless=is_powerless)

    @precondition(lambda self: self.lost)
    @rule(number=st.integers(0, 5))
    def node_comes_back(self, number: int) -> None:
        self.world.controller.find_again(self.lost[number % len(self.lost)])

    @rule(suspend=st.booleans())
    def person_suspends_or_resumes(self, suspend: bool) -> None:
        self.world.store.change_spec(suspend=suspend)

    @rule(parallelism=st.integers(0, 5))
    def person_scales(self, parallelism: int) -> None:
        self.world.store.change_spec(parallelism=parallelism)

    @rule(
        autoscale=st.none()
        | st.builds(Autoscale, items_per_worker=_few, finish_within_seconds=_few)
    )
    def person_scales_by_the_queue(self, autoscale: Autoscale | None) -> None:
        self.world.store.change_spec(autoscale=autoscale)

    @rule(policy=st.sampled_from(RunPolicy))
    def person_changes_when_the_run_ends(self, policy: RunPolicy) -> None:
        self.world.store.change_spec(run_policy=policy)

    @rule(number=st.integers(0, 2))
    def person_changes_the_template(self, number: int) -> None:
        self.world.change_template(number)

    @rule(number=st.integers(0, 5))
    def person_deletes_a_job(self, number: int) -> None:
        self.world.delete_recorded_job(number)

    @rule(seconds=st.sampled_from([0.25, 0.5, 1.0, 2.5, 12.0, 60.0]))
    def time_passes(self, seconds: float) -> None:
        self.world.advance(seconds)

    @rule(rounds=st.integers(5, 40))
    def items_take_their_time(self, rounds: int) -> None:
        self.pass_rounds(rounds, None)

    @rule(rounds=st.integers(1, 12), step=st.sampled_from([Step.WORK, Step.WORK, *Step]))
    def all_is_well_for_a_while(self, rounds: int, step: Step) -> None:
        self.pass_rounds(rounds, step)

    def pass_rounds(self, rounds: int, step: Step | None) -> None:
        """Let everybody take turns."""
        for _ in range(rounds):
            self.world.pass_round(step)
            self.world.judge()

    @invariant()
    def rules_hold(self) -> None:
        if hasattr(self, "world"):
            self.world.judge()

    def teardown(self) -> None:
        """Whatever happened so far: from now on nothing does, and so the run ends."""
        if hasattr(self, "world"):
            rounds = self.rounds + self.rounds_per_item * self.world.queue.published
            self.world.run_to_end(self.last_step, rounds=rounds)
            assert self.world.is_settled, self.world.store.current.status
