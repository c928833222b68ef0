"""Which rule decides, and what it decides."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.builders import (
    a_depth,
    a_finished_job,
    a_job,
    a_streak,
    a_work_queue_job,
    after,
    an_observation,
    an_unmeasured_observation,
)
from tests.reckoning import plan
from workqueuejob.api import Condition, ConditionStatus, JobStatus, PodsStatus, WorkQueueJobStatus
from workqueuejob.errors import ConnectionFailed, MeasurementUnreliable, TemplateInvalid
from workqueuejob.planning.actions import (
    Action,
    CreateWave,
    DeleteJob,
    EndJob,
    RaiseParallelism,
    SetSuspend,
)
from workqueuejob.planning.decision import Plan
from workqueuejob.planning.evidence.evidence import Evidence
from workqueuejob.planning.evidence.movement import Movement
from workqueuejob.planning.observing.observed import JobState, Observed, ObservedJob, PodProblem
from workqueuejob.planning.pods.job_manifest import hash_template
from workqueuejob.planning.verdict import RUN_FAILED, RUN_FAILED_BY_POLICY, Progress

UNREACHABLE = ConnectionFailed("mq:5672: refused")
DRAINED = Evidence(drained=a_streak(10, until=60))
SURPLUS = Evidence(surplus=a_streak(60, until=60))
BLIND: dict[str, Any] = {"rabbitmq": {"surplus_pod_timeout_seconds": 30}}
FUTILE = Movement(items_left=3, newest=1, attempt_after=0, still_after=0)


def decide(observed: Observed, evidence: Evidence | None = None, *, at: float = 60) -> Plan:
    return plan(observed, evidence or Evidence(), now=after(at))


def kinds(decided: Plan) -> list[type[Action]]:
    return [type(action) for action in decided.actions]


def an_end(kind: str = "Complete", reason: str = "Drained") -> WorkQueueJobStatus:
    return WorkQueueJobStatus(
        conditions=(
            Condition(
                type=kind,
                status=ConditionStatus.TRUE,
                reason=reason,
                message="over",
                last_transition_time=after(0),
            ),
        )
    )


def test_ready_items_become_a_wave() -> None:
    decided = decide(an_observation(depth=a_depth(8), resource=a_work_queue_job(parallelism=2)))
    assert decided.actions == (CreateWave(wave=1, completions=8, parallelism=2),)
    assert decided.decision is not None
    assert "8 ready, 0 in flight, 0 completions open" in decided.decision


def test_next_wave_has_the_next_number_even_if_its_predecessors_are_gone() -> None:
    resource = a_work_queue_job(status=WorkQueueJobStatus(waves=7))
    assert decide(an_observation(depth=a_depth(1), resource=resource)).actions == (
        CreateWave(wave=8, completions=1, parallelism=1),
    )


def test_wave_that_was_made_but_not_recorded_keeps_its_number() -> None:
    resource = a_work_queue_job(parallelism=11, status=WorkQueueJobStatus(waves=1))
    jobs = (a_job(1, parallelism=5), a_job(2, parallelism=5))
    observed = an_observation(*jobs, depth=a_depth(11), resource=resource)
    assert decide(observed).actions == (CreateWave(wave=3, completions=1, parallelism=1),)


def test_straggler_does_not_keep_new_items_waiting_while_there_is_room() -> None:
    straggler = a_job(completions=5, succeeded=4, active=1, ready=1)
    resource = a_work_queue_job(parallelism=3)
    decided = decide(an_observation(straggler, depth=a_depth(4, 1), resource=resource))
    assert decided.actions == (CreateWave(wave=2, completions=4, parallelism=2),)


def test_room_goes_to_waves_that_run_before_new_ones() -> None:
    running = a_job(completions=5, parallelism=2, active=2)
    resource = a_work_queue_job(parallelism=4)
    decided = decide(an_observation(running, depth=a_depth(9, 2), resource=resource))
    assert decided.actions == (RaiseParallelism(running.name, 4, running.resource_version),)


def test_room_that_is_left_goes_to_a_new_wave() -> None:
    running = a_job(completions=5, parallelism=2, active=2)
    resource = a_work_queue_job(parallelism=9)
    decided = decide(an_observation(running, depth=a_depth(9, 2), resource=resource))
    assert decided.actions == (
        RaiseParallelism(running.name, 5, running.resource_version),
        CreateWave(wave=2, completions=6, parallelism=4),
    )


@pytest.mark.parametrize(
    ("observed", "why"),
    [
        (an_observation(a_job(), depth=a_depth(50)), "no room"),
        (an_observation(depth=a_depth(5), resource=a_work_queue_job(parallelism=0)), "scaled to 0"),
        (an_observation(a_job(parallelism=9), depth=a_depth(50)), "scaled down"),
        (an_observation(depth=a_depth(5), obstacle=TemplateInvalid("no image")), "an obstacle"),
        (
            an_observation(
                *(a_job(wave, completions=1) for wave in range(1, 51)),
                depth=a_depth(90),
                resource=a_work_queue_job(parallelism=99),
            ),
            "as many waves as status can list",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_no_wave_is_made_when_it_must_not(observed: Observed, why: str) -> None:
    assert decide(observed).actions == ()


@pytest.mark.parametrize("error", [UNREACHABLE, MeasurementUnreliable("below zero"), None])
def test_failed_measurement_leaves_the_running_job_alone(error: Exception | None) -> None:
    observed = an_unmeasured_observation(a_job(active=2))
    if isinstance(error, ConnectionFailed | MeasurementUnreliable):
        observed = an_observation(a_job(active=2), depth=error)
    decided = decide(observed, replace(DRAINED, surplus=SURPLUS.surplus, idle=SURPLUS.surplus))
    assert decided.actions == ()
    assert decided.verdict.progress == Progress.QUEUE_UNAVAILABLE


def test_run_that_ended_stays_ended() -> None:
    resource = a_work_queue_job(status=an_end("Failed", "NoProgress"))
    decided = decide(an_observation(a_job(), depth=a_depth(9), resource=resource))
    assert (decided.actions, decided.verdict.end_reason) == ((), "NoProgress")


def test_run_that_ended_is_not_suspended_either() -> None:
    resource = a_work_queue_job(status=an_end(), suspend=True)
    assert decide(an_observation(a_job(), resource=resource)).verdict.progress == "Complete"


def test_suspend_reaches_every_running_job_even_while_the_queue_is_unreachable() -> None:
    resource = a_work_queue_job(suspend=True)
    jobs = (a_job(1), a_job(2, suspended=True), a_job(3, state=JobState.ENDING), a_finished_job(4))
    decided = decide(an_observation(*jobs, depth=UNREACHABLE, resource=resource))
    assert decided.actions == (SetSuspend(jobs[0].name, True, jobs[0].resource_version),)
    assert decided.verdict.progress == Progress.SUSPENDED


def test_suspended_run_makes_no_wave() -> None:
    resource = a_work_queue_job(suspend=True)
    assert decide(an_observation(depth=a_depth(9), resource=resource)).actions == ()


def test_resuming_comes_before_new_waves() -> None:
    job = a_job(suspended=True)
    decided = decide(
        an_observation(job, depth=a_depth(90), resource=a_work_queue_job(parallelism=9))
    )
    assert decided.actions == (SetSuspend(job.name, False, job.resource_version),)


def test_job_that_gave_up_while_it_was_suspended_is_resumed_to_end() -> None:
    job = a_job(suspended=True, state=JobState.ENDING)
    decided = decide(an_observation(job, depth=a_depth(3)))
    assert decided.actions == (SetSuspend(job.name, False, job.resource_version),)


def test_obstacle_is_all_there_is_to_say_while_no_job_runs() -> None:
    decided = decide(an_observation(depth=UNREACHABLE, obstacle=TemplateInvalid("no image")))
    assert decided.verdict.progress == "TemplateInvalid"


def test_obstacle_does_not_stop_what_runs() -> None:
    observed = an_observation(
        a_job(active=2), depth=a_depth(), obstacle=TemplateInvalid("no image")
    )
    assert kinds(decide(observed, SURPLUS)) == [EndJob]


@pytest.mark.parametrize(
    "job",
    [
        pytest.param(a_job(active=1), id="a pod ignores SIGTERM"),
        pytest.param(a_job(terminating=1), id="a pod takes its time"),
        pytest.param(a_job(), id="the last one has just gone"),
    ],
)
def test_nothing_new_begins_before_the_pods_of_an_ending_job_are_gone(job: ObservedJob) -> None:
    ending = replace(job, state=JobState.ENDING, ending_since=after(0))
    resource = a_work_queue_job(parallelism=9)
    decided = decide(an_observation(ending, depth=a_depth(9), resource=resource), SURPLUS)
    assert (decided.actions, decided.verdict.progress) == ((), Progress.WORKING)
    assert ending.name in decided.verdict.message


class TestTooManyFailures:
    STATUS = WorkQueueJobStatus(waves=1, pods=PodsStatus(failed=7))

    def observe(self, *jobs: Any, spec: dict[str, Any] | None = None, **fields: Any) -> Observed:
        resource = a_work_queue_job(status=self.STATUS, parallelism=9, **(spec or {}))
        return an_observation(*jobs, resource=resource, **fields)

    def test_no_wave_is_made(self) -> None:
        decided = decide(self.observe(a_job(active=2), depth=a_depth(90, 2)))
        assert decided.actions == ()

    def test_pods_that_hold_an_item_finish_it(self) -> None:
        assert decide(self.observe(a_job(active=2), depth=a_depth(9, 1))).actions == ()

    def test_pod_that_no_status_shows_yet_finishes_its_item(self) -> None:
        # Found by the model: the pod was made, and had its item, before its Job's status said so.
        assert decide(self.observe(a_job(active=0), depth=a_depth(9, 1))).actions == ()

    def test_completions_that_hold_nothing_are_ended_as_failed(self) -> None:
        (end,) = decide(self.observe(a_job(active=1), depth=a_depth(9, 0))).actions
        assert isinstance(end, EndJob)
        assert (end.succeeded, end.reason) == (False, RUN_FAILED)

    def test_run_fails_once_no_job_is_left(self) -> None:
        decided = decide(self.observe(a_finished_job(), depth=a_depth(1)))
        assert decided.verdict.end_reason == "BackoffLimitExceeded"

    def test_run_whose_items_are_all_done_completes_all_the_same(self) -> None:
        decided = decide(self.observe(a_finished_job(), depth=a_depth()), DRAINED)
        assert decided.verdict.end_reason == "Drained"

    def test_as_many_failures_as_allowed_are_allowed(self) -> None:
        resource = a_work_queue_job(status=self.STATUS, backoff_limit=7)
        assert kinds(decide(an_observation(depth=a_depth(1), resource=resource))) == [CreateWave]

    @pytest.mark.parametrize("reason", ["BackoffLimitExceeded", RUN_FAILED])
    def test_a_job_that_gave_up_counts_as_too_many(self, reason: str) -> None:
        job = a_finished_job(
            state=JobState.FAILED,
            failure_reason=reason,
            failed=1,
            ended_by_us=reason == RUN_FAILED,
        )
        decided = decide(an_observation(job, depth=a_depth(1)))
        assert decided.verdict.end_reason == "BackoffLimitExceeded"

    @pytest.mark.parametrize("reason", ["PodFailurePolicy", RUN_FAILED_BY_POLICY])
    @pytest.mark.parametrize("ready", [0, 1])
    def test_failure_that_the_user_calls_fatal_fails_the_run(self, ready: int, reason: str) -> None:
        job = a_finished_job(state=JobState.FAILED, failure_reason=reason, failed=9)
        decided = decide(an_observation(job, depth=a_depth(ready)), DRAINED)
        assert decided.verdict.end_reason == "PodFailurePolicy"
        assert job.name in decided.verdict.message

    def test_fatal_failure_leaves_other_waves_their_items(self) -> None:
        fatal = a_finished_job(1, state=JobState.FAILED, failure_reason="PodFailurePolicy")
        resource = a_work_queue_job(parallelism=9)
        working = an_observation(fatal, a_job(2, active=1), depth=a_depth(9, 1), resource=resource)
        assert decide(working).actions == ()
        idle = an_observation(fatal, a_job(2, active=1), depth=a_depth(9, 0), resource=resource)
        (end,) = decide(idle).actions
        assert isinstance(end, EndJob)
        assert (end.succeeded, end.reason) == (False, RUN_FAILED_BY_POLICY)

    def test_pods_that_wait_for_ever_still_have_their_end(self) -> None:
        # Found by reasoning for the model: a waiting consumer looks as if it held something.
        waiting = self.observe(a_job(active=1), depth=a_depth(0, None, consumers=1), spec=BLIND)
        assert kinds(decide(waiting, Evidence(idle=a_streak(30, until=60)))) == [EndJob]

    def test_pods_that_may_wait_for_ever_are_reported(self) -> None:
        waiting = self.observe(a_job(active=1), depth=a_depth(0, None, consumers=1))
        decided = decide(waiting, Evidence(idle=a_streak(60, until=60)))
        assert (decided.actions, decided.verdict.progress) == ((), Progress.SURPLUS_PODS_WAITING)


class TestNamespaceThatIsBeingDeleted:
    def test_every_unfinished_job_is_deleted_even_while_the_queue_is_unreachable(self) -> None:
        jobs = (a_job(1), a_job(2, state=JobState.ENDING), a_finished_job(3))
        observed = an_observation(*jobs, depth=UNREACHABLE)
        decided = decide(replace(observed, namespace_terminating=True))
        assert kinds(decided) == [DeleteJob, DeleteJob]
        assert [action.job for action in decided.actions if isinstance(action, DeleteJob)] == [
            jobs[0].name,
            jobs[1].name,
        ]

    def test_no_wave_is_made(self) -> None:
        observed = an_observation(depth=a_depth(5))
        assert decide(replace(observed, namespace_terminating=True)).actions == ()


class TestSurplus:
    @pytest.mark.parametrize(
        ("spec", "depth", "evidence", "ends"),
        [
            pytest.param({}, a_depth(), Evidence(surplus=a_streak(5, until=60)), True, id="proved"),
            pytest.param(
                {}, a_depth(), Evidence(surplus=a_streak(4, until=60)), False, id="too young"
            ),
            pytest.param(
                {},
                a_depth(),
                Evidence(surplus=a_streak(5, reads=2, until=60)),
                False,
                id="too few reads",
            ),
            pytest.param(
                {"drained_after_seconds": 0},
                a_depth(),
                Evidence(surplus=a_streak(0.9, until=60)),
                False,
                id="a second is the least",
            ),
            pytest.param(
                {},
                a_depth(0, None, in_flight_lately=0),
                Evidence(surplus=a_streak(14, until=60)),
                False,
                id="numbers that lag need longer",
            ),
            pytest.param(
                {},
                a_depth(0, None),
                Evidence(surplus=a_streak(29, until=60)),
                False,
                id="and numbers that hide most the longest",
            ),
            pytest.param(
                BLIND, a_depth(0, None), Evidence(idle=a_streak(30, until=60)), True, id="timed out"
            ),
            pytest.param(
                BLIND, a_depth(0, None), Evidence(idle=a_streak(29, until=60)), False, id="not yet"
            ),
            pytest.param(
                BLIND,
                a_depth(0, 2),
                Evidence(idle=a_streak(30, until=60)),
                False,
                id="known to be held",
            ),
            pytest.param(
                BLIND,
                a_depth(0, None, in_flight_lately=2),
                Evidence(idle=a_streak(30, until=60)),
                False,
                id="known to be held of late",
            ),
            pytest.param(
                {},
                a_depth(0, None),
                Evidence(idle=a_streak(300, until=60)),
                False,
                id="nobody allowed it",
            ),
        ],
    )
    def test_completions_without_an_item_are_ended_on_proof(
        self, spec: dict[str, Any], depth: Any, evidence: Evidence, *, ends: bool
    ) -> None:
        job = a_job(active=2, succeeded=3)
        resource = a_work_queue_job(**spec)
        decided = decide(an_observation(job, depth=depth, resource=resource), evidence)
        assert kinds(decided) == ([EndJob] if ends else [])

    def test_it_is_a_success(self) -> None:
        job = a_job(active=2, succeeded=3)
        (end,) = decide(an_observation(job), SURPLUS).actions
        assert isinstance(end, EndJob)
        assert (end.job, end.succeeded, end.reason) == (job.name, True, "QueueDrained")

    def test_suspended_jobs_are_not_timed_out(self) -> None:
        # spec.suspend is false, so it is resumed first.
        observed = an_observation(
            a_job(suspended=True), depth=a_depth(0, None), resource=a_work_queue_job(**BLIND)
        )
        assert kinds(decide(observed, Evidence(idle=a_streak(300, until=60)))) == [SetSuspend]


class TestDrained:
    @pytest.mark.parametrize(
        ("spec", "drained", "verdict"),
        [
            pytest.param({}, a_streak(5, until=60), "Complete", id="for long enough"),
            pytest.param({}, a_streak(4, until=60), "VerifyingDrained", id="not yet"),
            pytest.param({}, a_streak(99, reads=2, until=60), "VerifyingDrained", id="two reads"),
            pytest.param(
                {"drained_after_seconds": 0}, a_streak(until=60), "Complete", id="at once"
            ),
            pytest.param(
                {"drained_after_seconds": 60},
                a_streak(59, until=60),
                "VerifyingDrained",
                id="as asked",
            ),
        ],
    )
    def test_run_is_complete_when_the_queue_stays_empty(
        self, spec: dict[str, Any], drained: Any, verdict: str
    ) -> None:
        resource = a_work_queue_job(status=WorkQueueJobStatus(waves=1), **spec)
        observed = an_observation(a_finished_job(), resource=resource)
        assert decide(observed, Evidence(drained=drained)).verdict.progress == verdict

    @pytest.mark.parametrize(
        ("in_flight", "verdict"), [(None, Progress.VERIFYING_DRAINED), (0, Progress.COMPLETE)]
    )
    def test_items_that_vanished_from_a_blind_queue_make_the_proof_longer(
        self, in_flight: int | None, verdict: Progress
    ) -> None:
        observed = an_observation(a_finished_job(), depth=a_depth(0, in_flight))
        evidence = Evidence(drained=a_streak(29, until=60), vanished=3)
        assert decide(observed, evidence).verdict.progress == verdict

    def test_queue_that_was_empty_from_the_start_has_its_own_reason(self) -> None:
        assert decide(an_observation(), DRAINED).verdict.end_reason == "QueueEmpty"

    def test_empty_start_may_wait_for_the_first_item(self) -> None:
        observed = an_observation(resource=a_work_queue_job(empty_start="Wait"))
        assert decide(observed, DRAINED).verdict.progress == Progress.WAITING_FOR_ITEMS

    def test_run_that_has_begun_does_not_wait_for_a_first_item(self) -> None:
        resource = a_work_queue_job(empty_start="Wait")
        observed = an_observation(a_finished_job(), resource=resource)
        assert decide(observed, DRAINED).verdict.progress == Progress.COMPLETE

    def test_left_overs_of_a_complete_job_start_another_wave(self) -> None:
        observed = an_observation(a_finished_job(), depth=a_depth(1))
        assert decide(observed).actions == (CreateWave(wave=2, completions=1, parallelism=1),)


class TestFutileWaves:
    def observe(self, *, futile_waves: int = 0, parallelism: int = 2) -> Observed:
        status = WorkQueueJobStatus(waves=1, waves_without_progress=futile_waves)
        resource = a_work_queue_job(status=status, parallelism=parallelism)
        return an_observation(a_finished_job(succeeded=3), depth=a_depth(3), resource=resource)

    def test_next_wave_waits(self) -> None:
        evidence = Evidence(movement=FUTILE, quiet=a_streak(4.9, until=60))
        assert decide(self.observe(), evidence).actions == ()

    def test_next_wave_is_small_and_counted(self) -> None:
        evidence = Evidence(movement=FUTILE, quiet=a_streak(5, until=60))
        decided = decide(self.observe(), evidence)
        assert decided.actions == (CreateWave(wave=2, completions=2, parallelism=2),)
        assert (decided.doubt.futile, decided.futile_waves) == (3, 1)

    def test_each_wait_is_longer(self) -> None:
        evidence = Evidence(movement=FUTILE, quiet=a_streak(9.9, until=60))
        assert decide(self.observe(futile_waves=1), evidence).actions == ()

    def test_third_futile_wave_is_the_last(self) -> None:
        evidence = Evidence(movement=FUTILE, quiet=a_streak(20, until=60))
        decided = decide(self.observe(futile_waves=2), evidence)
        assert (decided.actions, decided.verdict.end_reason) == ((), "NoProgress")

    @pytest.mark.parametrize(("has_moved", "futile_waves"), [(True, 0), (False, None)])
    def test_count_begins_anew_only_when_the_depth_was_seen_to_move(
        self, futile_waves: int | None, *, has_moved: bool
    ) -> None:
        movement = replace(FUTILE, still_after=1, has_moved=has_moved)
        decided = decide(self.observe(futile_waves=1), Evidence(movement=movement))
        assert kinds(decided) == [CreateWave]
        assert decided.futile_waves == futile_waves


class TestFormerTemplate:
    PROBLEM = PodProblem("ImagePullBackOff", "no such image", pods=1)

    @pytest.mark.parametrize(
        ("fields", "in_flight", "ends"),
        [
            pytest.param({}, 0, True, id="nothing has started"),
            pytest.param({"ready": 1}, 0, False, id="a pod has started"),
            # Found by the model: it held its item where the queue doesn't show it.
            pytest.param({"terminating": 1}, 0, False, id="a pod is about to end"),
            pytest.param(
                {}, 1, False, id="something is held, perhaps by a pod that has just started"
            ),
            pytest.param({}, None, True, id="unknown, but nobody consumes"),
            pytest.param({"state": JobState.ENDING}, 0, False, id="it is ending already"),
        ],
    )
    def test_wave_of_a_former_template_that_cannot_start_is_ended(
        self, fields: dict[str, Any], in_flight: int | None, *, ends: bool
    ) -> None:
        job = a_job(active=1, template_hash="former", **fields)
        decided = decide(an_observation(job, depth=a_depth(5, in_flight), pod_problem=self.PROBLEM))
        assert kinds(decided) == ([EndJob] if ends else [])

    def test_other_waves_active_pods_are_no_proof_that_they_hold_what_is_held(self) -> None:
        # Found by the model: the held item was the stuck wave's, the other wave's pod was pending.
        stuck = a_job(1, active=1, template_hash="former")
        current = hash_template(a_work_queue_job())
        other = a_job(2, active=1, template_hash=current)
        observed = an_observation(stuck, other, depth=a_depth(5, 1), pod_problem=self.PROBLEM)
        assert EndJob not in kinds(decide(observed))

    def test_pods_that_do_not_start_with_the_current_template_are_only_reported(self) -> None:
        job = a_job(active=1, template_hash=hash_template(a_work_queue_job()))
        decided = decide(an_observation(job, depth=a_depth(5), pod_problem=self.PROBLEM))
        assert (decided.actions, decided.verdict.progress) == ((), Progress.PODS_NOT_STARTING)


@pytest.mark.parametrize(
    ("evidence", "depth", "progress"),
    [
        pytest.param(Evidence(), a_depth(3, 2), Progress.WORKING, id="work"),
        pytest.param(
            Evidence(idle=a_streak(60, until=60)),
            a_depth(0, None, consumers=2),
            Progress.SURPLUS_PODS_WAITING,
            id="pods that may wait for ever",
        ),
        pytest.param(
            Evidence(idle=a_streak(29, until=60)),
            a_depth(0, None, consumers=2),
            Progress.WORKING,
            id="a long item",
        ),
        pytest.param(
            Evidence(idle=a_streak(60, until=60)),
            a_depth(0, 2),
            Progress.WORKING,
            id="items that are known to be held",
        ),
    ],
)
def test_run_says_what_it_does(evidence: Evidence, depth: Any, progress: Progress) -> None:
    assert (
        decide(an_observation(a_job(active=2), depth=depth), evidence).verdict.progress == progress
    )


def test_foreign_consumers_are_reported_once_they_stay() -> None:
    observed = an_observation(a_job(active=2), depth=a_depth(3, 5, consumers=5))
    decided = decide(observed, Evidence(foreign=a_streak(5, until=60)))
    assert "others take items from it" in decided.verdict.message


Case = tuple[Observed, Evidence]


def _rule_order() -> list[tuple[str, Callable[[], Case], str]]:
    failures = WorkQueueJobStatus(
        waves=1,
        pods=PodsStatus(failed=7),
        jobs=(JobStatus(name="x", wave=1, failed=0),),
    )
    ending = a_job(2, state=JobState.ENDING, ending_since=after(60))
    failed = a_work_queue_job(status=failures)
    return [
        (
            "suspend",
            lambda: (
                an_observation(depth=UNREACHABLE, resource=a_work_queue_job(suspend=True)),
                DRAINED,
            ),
            "Suspended",
        ),
        (
            "unknown depth",
            lambda: (an_observation(ending, depth=UNREACHABLE), DRAINED),
            "QueueUnavailable",
        ),
        ("ending Jobs", lambda: (an_observation(ending, resource=failed), SURPLUS), "Working"),
    ]


@pytest.mark.parametrize(
    ("case", "progress"), [pytest.param(c, p, id=n) for n, c, p in _rule_order()]
)
def test_earlier_rule_decides(case: Callable[[], Case], progress: str) -> None:
    observed, evidence = case()
    decided = decide(observed, evidence)
    assert (decided.verdict.progress, decided.actions) == (progress, ())
