"""Runs of our worker that once went wrong, that chance finds too seldom, or that must be exact."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.model.broker import RABBITMQ, Detail, Fault
from tests.model.partitioned_log import PARTITIONS, PartitionedLog
from tests.model.pods import Phase, Step
from tests.model.profiles import effort
from tests.model.strangers import is_stranger
from tests.model.workers import Worker
from tests.model.world import Setting, World
from workqueuejob.api import ItemsStatus
from workqueuejob.api.status import Accounting
from workqueuejob.planning.rules.history import MOST_PODS

_ROUNDS = 900
every_broker = pytest.mark.parametrize("detail", Detail)
QUEUES = [detail for detail in Detail if detail is not Detail.LOG]
"""Where a pod may settle so many items and no more."""


def a_world(
    worker: Worker = Worker(),  # noqa: B008 - a value
    *,
    detail: Detail = Detail.LEASES,
    items: int = 0,
    **spec: object,
) -> World:
    world = World(Setting(worker=worker, detail=detail, spec={"parallelism": 3, **spec}))
    world.queue.publish(items)
    return world


def finish(world: World) -> ItemsStatus:
    """Let the run end; return its ledger."""
    world.run_to_end(Step.WORK, rounds=_ROUNDS)
    assert world.end is not None
    items = world.store.current.status.items
    assert items is not None
    return items


def let_take(world: World) -> None:
    """Let every pod start and take an item."""
    for _ in range(3):
        world.pass_round(None)
        for pod in world.controller.live_pods:
            if pod.name not in world.queue.held:
                world.controller.step_pod(pod, Step.WORK)


@every_broker
def test_poison_items_never_end_a_run(detail: Detail) -> None:
    worker = Worker(poison=frozenset({0, 3}), killers=frozenset({1, 5}))
    world = a_world(worker, detail=detail, items=8, backoff_limit=0)
    items = finish(world)
    assert world.end is not None
    assert (world.end.type, world.end.reason) == ("Complete", "CompletedWithDeadLetters")
    assert set(world.queue.dead) == {0, 1, 3, 5}
    assert (items.total, items.succeeded, items.dead_lettered) == (8, 4, 4)


@every_broker
def test_item_that_kills_its_pods_costs_its_neighbours_one_attempt_at_most(detail: Detail) -> None:
    worker = Worker(killers=frozenset({2}), concurrency=4)
    world = a_world(worker, detail=detail, items=12, backoff_limit=0)
    items = finish(world)
    assert set(world.queue.dead) == {2}
    losses = {item: n for item, n in world.queue.losses.items() if item != 2}
    assert max(losses.values(), default=0) <= 1
    assert (items.total, items.succeeded, items.dead_lettered) == (12, 11, 1)


def test_item_that_is_worked_on_alone_keeps_no_others_waiting_while_there_is_room() -> None:
    world = a_world(Worker(concurrency=4), items=1)
    let_take(world)
    world.step_pods(Step.CRASH)
    while not (world.queue.lost and world.queue.held):
        world.pass_round(None)
        world.step_pods(Step.WORK)
    (lone,) = world.queue.held
    world.queue.publish(3)
    for _ in range(60):
        world.pass_round(None)
        for pod in world.controller.live_pods:
            if pod.name != lone:
                world.controller.step_pod(pod, Step.WORK)
    assert world.queue.held == {lone: 0}
    assert sorted(world.queue.settled) == [1, 2, 3]


@every_broker
def test_item_that_kills_its_pods_has_a_limit_of_its_own(detail: Detail) -> None:
    worker = Worker(max_attempts=1, max_lost_attempts=10, killers=frozenset({1}))
    world = a_world(worker, detail=detail, items=3, backoff_limit=0)
    items = finish(world)
    assert world.end is not None
    assert (world.end.type, world.end.reason) == ("Complete", "CompletedWithDeadLetters")
    assert set(world.queue.dead) == {1}
    assert (world.queue.losses[1], world.queue.attempts[1]) == (10, 0)
    assert (items.total, items.succeeded, items.dead_lettered) == (3, 2, 1)


@every_broker
def test_crashed_workers_item_is_done_although_its_peers_had_finished(detail: Detail) -> None:
    world = a_world(detail=detail, items=3)
    let_take(world)
    victim = next(iter(world.queue.held))
    item = world.queue.held[victim]
    pod = next(pod for pod in world.controller.live_pods if pod.name == victim)
    world.controller.step_pod(pod, Step.CRASH)
    finish(world)
    assert sorted(world.queue.settled) == [0, 1, 2]
    assert world.queue.settled[item] != victim


@pytest.mark.parametrize("detail", RABBITMQ)
def test_worker_that_holds_its_item_out_of_sight_is_left_alone(detail: Detail) -> None:
    # Found by reasoning: with nothing ready and nothing unacked it looked like surplus.
    world = a_world(detail=detail, items=1, drained_after_seconds=0)
    let_take(world)
    (holder,) = world.queue.held
    world.queue.hide(holder)
    for _ in range(120):
        world.pass_round(None)
        world.judge()
    assert [pod.kill_at for pod in world.controller.live_pods] == [None]


@pytest.mark.parametrize("detail", RABBITMQ)
def test_item_out_of_sight_of_a_killed_worker_is_waited_for(detail: Detail) -> None:
    # Found by the model: the run was over before the item came back.
    world = a_world(detail=detail, items=1, drained_after_seconds=0)
    let_take(world)
    (holder,) = world.queue.held
    world.queue.hide(holder)
    world.step_pods(Step.CRASH)
    finish(world)
    assert list(world.queue.settled) == [0]


@pytest.mark.parametrize(
    ("detail", "quota"),
    [*((detail, None) for detail in Detail), *((detail, 1) for detail in QUEUES)],
)
def test_items_that_rest_make_neither_waves_nor_an_end(detail: Detail, quota: int | None) -> None:
    worker = Worker(quota=quota, retry_delay_seconds=120.0, poison=frozenset({0}))
    world = a_world(worker, detail=detail, items=1)
    items = finish(world)
    assert world.end is not None
    assert world.end.reason == "CompletedWithDeadLetters"
    assert items.attempts_failed == worker.max_attempts
    # One wave for each attempt, for its pod leaves while the item rests.
    assert len(world.controller.created) == worker.max_attempts
    assert world.clock.seconds > 240


@every_broker
def test_breaker_leaves_the_rest_and_says_how_much(detail: Detail) -> None:
    worker = Worker(max_attempts=1, poison=frozenset(range(2)))
    policy = {"max_dead_lettered": 1}
    world = a_world(worker, detail=detail, items=30, failure_policy=policy)
    items = finish(world)
    assert world.end is not None
    assert (world.end.type, world.end.reason) == ("Failed", "TooManyDeadLettered")
    assert items.dead_lettered == 2
    assert items.remaining == world.queue.remaining > 0


@every_broker
def test_scaling_up_gives_the_wave_more_pods_at_once(detail: Detail) -> None:
    world = a_world(detail=detail, items=30, parallelism=1)
    for _ in range(3):
        world.pass_round(Step.WORK)
    world.store.change_spec(parallelism=4)
    for _ in range(3):
        world.pass_round(Step.WORK)
    assert len(world.controller.live_pods) == 4
    assert len(world.jobs) == 1


@every_broker
def test_scaling_down_ends_no_pod(detail: Detail) -> None:
    world = a_world(detail=detail, items=30, parallelism=4)
    for _ in range(3):
        world.pass_round(Step.WORK)
    world.store.change_spec(parallelism=1)
    for _ in range(20):
        world.pass_round(None)
    assert [pod.kill_at for pod in world.controller.live_pods] == [None] * 4


def test_killed_worker_does_not_keep_its_item_waiting_while_there_is_room() -> None:
    """Its peers have left, and its index comes again only after a back-off."""
    world = a_world(detail=Detail.COUNTS, items=1, parallelism=2)
    let_take(world)
    world.step_pods(Step.CRASH)
    killed_at = world.clock.seconds
    for _ in range(30):
        world.pass_round(Step.WORK)
        if world.queue.settled:
            break
    assert world.queue.settled
    assert world.clock.seconds - killed_at < 10


@pytest.mark.parametrize("rounds_before", [1, 3, 6])
def test_counters_that_vanish_lower_no_number(rounds_before: int) -> None:
    world = a_world(items=12)
    for _ in range(rounds_before):
        world.pass_round(Step.WORK)
    world.forget_counts()
    items = finish(world)
    assert (items.total, items.succeeded) == (12, 12)


def test_exact_broker_stays_exact_through_kills() -> None:
    world = a_world(items=12)
    for step in [Step.WORK, Step.WORK, Step.CRASH, *[Step.WORK] * 14, Step.CRASH]:
        world.pass_round(step)
    items = finish(world)
    assert (items.total, items.succeeded) == (12, 12)
    assert items.accounting is Accounting.COUNTED


@pytest.mark.parametrize("detail", RABBITMQ)
def test_ledger_says_that_a_worker_was_killed_before_it_could_tell(detail: Detail) -> None:
    worker = Worker()
    world = a_world(worker, detail=detail, items=6)
    let_take(world)
    worker.be_killed(world.controller.live_pods[0], world.queue, after_settling=True)
    items = finish(world)
    assert (items.total, items.succeeded) == (6, 6)
    assert items.accounting is Accounting.INFERRED


@pytest.mark.parametrize("detail", RABBITMQ)
def test_ledger_says_that_an_item_may_have_been_counted_twice(detail: Detail) -> None:
    # Found by chaos: RabbitMQ was killed a moment after an acknowledgement, and forgot it.
    world = a_world(detail=detail, items=6)
    let_take(world)
    world.pass_round(Step.WORK)
    world.queue.forget(next(iter(world.queue.settled)))
    items = finish(world)
    assert sorted(world.queue.settled) == list(range(6))
    assert items.accounting is Accounting.INFERRED


@pytest.mark.parametrize("detail", RABBITMQ)
def test_success_that_the_broker_forgot_is_counted_beside_the_item_that_is_left(
    detail: Detail,
) -> None:
    worker = Worker()
    world = a_world(worker, detail=detail, items=1, backoff_limit=0)
    let_take(world)
    world.pass_round(Step.WORK)
    world.queue.forget(0)
    worker.give_up(world.controller.live_pods[0], world.queue)
    items = finish(world)
    assert (items.total, items.succeeded, items.remaining) == (2, 1, 1)


@pytest.mark.parametrize("detail", RABBITMQ)
def test_ledger_says_that_a_job_was_deleted_before_its_pods_could_tell(detail: Detail) -> None:
    world = a_world(detail=detail, items=6)
    let_take(world)
    world.step_pods(Step.WORK)
    world.delete_recorded_job(0)
    items = finish(world)
    assert items.remaining == 0
    assert items.accounting is Accounting.INFERRED


@pytest.mark.parametrize("detail", RABBITMQ)
def test_reports_of_killed_workers_outlive_the_operator(detail: Detail) -> None:
    worker = Worker()
    world = a_world(worker, detail=detail, items=9)
    for _ in range(4):
        world.pass_round(Step.WORK)
    told = len(world.queue.settled)
    for pod in world.controller.live_pods:
        world.controller.evict(pod)
    for _ in range(3):
        world.pass_round(Step.WORK)
    world.restart_operator()
    world.pass_round(None)
    counted = world.store.current.status.counted
    assert counted is not None
    assert counted.succeeded >= told > 0


def test_healthy_workers_go_on_although_too_many_have_failed() -> None:
    """At Redis one that holds nothing is between two items."""
    worker = Worker()
    world = a_world(worker, items=30, backoff_limit=0)
    for _ in range(3):
        world.pass_round(Step.WORK)
    worker.give_up(world.controller.live_pods[0], world.queue)
    healthy = world.controller.live_pods
    for _ in range(60):
        world.pass_round(Step.WORK)
        world.judge()
    assert {pod.exit_code for pod in healthy} == {0}


def test_job_of_a_run_that_took_too_long_is_not_left_suspended_by_an_operator_that_died() -> None:
    world = a_world(items=4, active_deadline_seconds=40)
    world.pass_round(Step.WORK)
    (job,) = world.jobs
    world.advance(60.0)
    world.store.change_spec(suspend=True)
    while not job.spec.get("suspend"):
        world.operator.step()

    world.restart_operator()
    finish(world)

    assert world.end is not None
    assert world.end.reason == "DeadlineExceeded"


MISHAPS: dict[str, Callable[[World], None]] = {
    "the operator restarts": World.restart_operator,
    "the operator goes on": lambda world: world.operator.step(),
    "a request fails": lambda world: setattr(world.operator, "fails_next_request", True),
    "a measurement fails": lambda world: world.broker.faults.append(Fault.ERROR),
    "items arrive": lambda world: world.queue.publish(2),
    "workers work": lambda world: world.step_pods(Step.WORK),
    "workers fail": lambda world: world.step_pods(Step.PRETEND),
    "workers leave": lambda world: world.step_pods(Step.LEAVE),
    "Jobs are synced": World.sync_jobs,
    "the watch brings pods": lambda world: world.operator.hear_of_pods(),
    "the watch catches up": World.deliver_events,
    "time passes": lambda world: world.advance(1.0),
    "everybody takes a turn": lambda world: world.pass_round(Step.WORK),
}


@effort(200)
@given(
    mishaps=st.lists(st.sampled_from(sorted(MISHAPS)), max_size=40),
    items=st.integers(1, 8),
    detail=st.sampled_from(Detail),
    quota=st.sampled_from([None, 1, 3]),
)
def test_every_item_is_counted_once_as_long_as_no_pod_is_killed(
    mishaps: list[str], items: int, quota: int | None, detail: Detail
) -> None:
    assume(quota is None or detail in QUEUES)
    world = a_world(Worker(quota=quota, poison=frozenset({2})), detail=detail, items=items)
    for mishap in mishaps:
        MISHAPS[mishap](world)
        world.judge()
    ledger = finish(world)
    assert world.end is not None
    assert world.end.type == "Complete"
    told = (ledger.total, ledger.succeeded, ledger.dead_lettered, ledger.remaining)
    assert told == (
        len(world.queue.settled) + len(world.queue.dead),
        len(world.queue.settled),
        len(world.queue.dead),
        0,
    )
    assert ledger.accounting is Accounting.COUNTED
    status = world.store.current.status
    assert status.pods is not None
    assert status.pods.failed == 0


@effort(60)
@given(
    items=st.integers(1, 20),
    parallelism=st.integers(1, 4),
    detail=st.sampled_from(Detail),
    quota=st.sampled_from([None, 1]),
)
def test_undisturbed_run_is_one_wave_without_a_pod_too_many(
    items: int, parallelism: int, quota: int | None, detail: Detail
) -> None:
    assume(quota is None or detail in QUEUES)
    world = a_world(Worker(quota=quota), detail=detail, items=items, parallelism=parallelism)
    finish(world)
    assert len(world.controller.created) == 1
    if detail is not Detail.LOG:
        # There one may get partitions with nothing in them, and comes again.
        pods = sum(job.pods_made for job in world.jobs)
        assert pods == (min(items, parallelism) if quota is None else items)


def a_log(items: int, **spec: Any) -> tuple[World, PartitionedLog]:
    world = a_world(detail=Detail.LOG, items=items, **spec)
    assert isinstance(world.queue, PartitionedLog)
    return world, world.queue


def test_run_on_a_log_leaves_what_comes_after_its_start() -> None:
    world, log = a_log(items=6)
    world.pass_round(None)
    log.publish(6)
    items = finish(world)
    assert sorted(log.settled) == list(range(6))
    assert (items.total, items.succeeded, items.remaining) == (6, 6, 0)
    queue = world.store.current.status.queue
    assert queue is not None
    # Markers are offsets, too.
    assert queue.later == 6 + PARTITIONS


def test_no_pod_is_made_for_a_partition_without_items() -> None:
    world, _ = a_log(items=2, parallelism=8)
    for _ in range(4):
        world.pass_round(None)
    assert len(world.controller.live_pods) == 2


def test_operator_that_restarts_keeps_to_the_ends_of_the_start() -> None:
    world, log = a_log(items=6)
    world.pass_round(None)
    log.publish(3)
    world.restart_operator()
    world.pass_round(Step.WORK)
    world.restart_operator()
    finish(world)
    assert sorted(log.settled) == list(range(6))


def test_offsets_that_kafka_forgets_while_a_run_is_idle_are_not_done_again() -> None:
    world, log = a_log(items=6, run_policy="Continuous")
    for _ in range(60):
        world.pass_round(Step.WORK)
        world.step_pods(Step.LEAVE)
        world.judge()
    assert world.progressing == "WaitingForItems"
    world.advance(10 * 86_400)
    log.forget_offsets()
    world.judge()
    world.pass_round(Step.WORK)
    assert not world.controller.live_pods
    log.publish(3)
    finish(world)
    assert sorted(log.settled) == list(range(9))


def test_partitions_of_a_killed_worker_are_waited_for() -> None:
    world, log = a_log(items=8, drained_after_seconds=0, backoff_limit=0)
    let_take(world)
    world.step_pods(Step.CRASH)
    finish(world)
    assert sorted(log.settled) == list(range(8))


@pytest.mark.parametrize("detail", RABBITMQ)
def test_pods_that_never_started_leave_no_doubt(detail: Detail) -> None:
    # Their image could not be pulled; another run took the items meanwhile.
    world = a_world(detail=detail, items=6)
    for _ in range(2):
        world.pass_round(None)
    starts, *_ = world.controller.live_pods
    for _ in range(3):
        world.controller.step_pod(starts, Step.WORK)
    world.strangers.come()
    for _ in range(6):
        world.pass_round(None)
        world.strangers.settle_all()
    world.strangers.leave()
    for pod in [pod for pod in world.controller.live_pods if not pod.has_run]:
        world.controller.evict(pod)
    for _ in range(3):
        world.pass_round(None)
    assert not any(pod.has_run for _, pod in world.controller.deleted_pods)
    items = finish(world)
    done = sum(not is_stranger(consumer) for consumer in world.queue.settled.values())
    assert world.queue.remaining == 0
    assert 0 < done < 6
    assert (items.succeeded, items.total, items.accounting) == (done, done, Accounting.COUNTED)


def go_on_as_workers_do(world: World, idle: Counter[str]) -> None:
    """Let a second pass, in which pods start, settle an item, or leave after two idle seconds."""
    world.pass_round(None)
    for pod in world.controller.live_pods:
        holds_before = pod.name in world.queue.held
        world.controller.step_pod(pod, Step.WORK)
        if pod.phase is Phase.RUNNING and not holds_before and pod.name not in world.queue.held:
            idle[pod.name] += 1
        if idle[pod.name] > 2:
            world.controller.step_pod(pod, Step.LEAVE)
    world.judge()


@pytest.mark.parametrize(
    ("detail", "seconds"),
    [(Detail.COUNTS, 15), (Detail.LEASES, 15), (Detail.LAGS, 45), (Detail.HIDES, 45)],
)
@pytest.mark.parametrize("parallelism", [2, 4, 16])
def test_completions_whose_items_others_took_start_few_pods(
    detail: Detail, parallelism: int, seconds: int
) -> None:
    world = a_world(Worker(quota=1), detail=detail, items=40, parallelism=parallelism)
    idle: Counter[str] = Counter()
    while len(world.queue.settled) < 6:
        go_on_as_workers_do(world, idle)
    done = len(world.queue.settled)
    world.queue.take_away()
    taken_at = world.clock.seconds
    while world.end is None and world.clock.seconds < taken_at + 120:
        go_on_as_workers_do(world, idle)
    assert world.end is not None
    assert world.end.reason == "Drained"
    assert world.clock.seconds - taken_at <= seconds
    settled = sum(not is_stranger(consumer) for consumer in world.queue.settled.values())
    assert done <= settled <= done + parallelism
    pods = sum(job.pods_made for job in world.jobs)
    assert pods - settled <= parallelism


def lose_the_last_pod(world: World, *, seconds: int) -> None:
    """Let the node of the last pod lose its power, and delete the pod by force."""
    (pod,) = world.controller.live_pods
    assert pod.name in world.queue.held
    world.controller.lose(pod, is_powerless=True)
    world.queue.keeps_connections = True
    for _ in range(seconds):
        world.pass_round(None)
        world.judge()


@pytest.mark.parametrize("detail", [Detail.COUNTS, Detail.LAGS])
def test_item_that_a_lost_pod_left_in_flight_bars_complete(detail: Detail) -> None:
    world = a_world(detail=detail, items=1)
    let_take(world)
    lose_the_last_pod(world, seconds=300)
    assert world.end is None
    assert world.progressing == "VerifyingDrained"
    world.queue.keeps_connections = False
    finish(world)
    assert list(world.queue.settled) == [0]


@pytest.mark.parametrize("detail", [Detail.COUNTS, Detail.LAGS])
def test_item_in_flight_is_waited_for_no_longer_than_the_broker_lets_it_be_held(
    detail: Detail,
) -> None:
    rabbitmq = {"consumer_timeout_seconds": 120}
    world = a_world(detail=detail, items=1, rabbitmq=rabbitmq)
    let_take(world)
    lose_the_last_pod(world, seconds=150)
    assert world.end is None
    lose = world.controller.live_pods
    assert [pod.is_lost for pod in lose] == [True]
    for _ in range(90):
        world.pass_round(None)
    assert world.end is not None


@pytest.mark.parametrize("detail", [Detail.COUNTS, Detail.LAGS])
def test_item_that_a_neighbour_holds_bars_nothing(detail: Detail) -> None:
    world = a_world(detail=detail)
    world.strangers.come()
    world.queue.publish(2)
    for _ in range(40):
        world.pass_round(Step.WORK)
        world.step_pods(Step.LEAVE)
    assert world.end is not None
    assert list(world.queue.held) == world.strangers.present


def test_long_run_leaves_few_pods_and_has_counted_those_that_went() -> None:
    world = a_world(Worker(quota=1), detail=Detail.COUNTS, items=1200, parallelism=100)
    items = finish(world)
    world.pass_round(Step.WORK)

    pods = [pod for job in world.jobs for pod in job.ended_pods]
    assert len(pods) <= MOST_PODS
    assert world.controller.expired_pods
    assert (items.total, items.succeeded, items.accounting) == (1200, 1200, Accounting.COUNTED)
