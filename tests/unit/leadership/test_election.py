"""Replicas and their Lease: one leads at a time, and only who leads may write."""

from dataclasses import dataclass, replace

import pytest
from prometheus_client import REGISTRY

from workqueuejob.errors import ClusterError, ClusterUnavailable, NotLeading
from workqueuejob.leadership.election import Leadership, read_clock
from workqueuejob.leadership.rules import Lease, LeaseTimes

from .fake_lease import FakeLease

TIMES = LeaseTimes(duration_seconds=8, renew_deadline_seconds=6.0, retry_seconds=2.0)


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def store() -> FakeLease:
    return FakeLease()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def a_replica(store: FakeLease, clock: Clock, name: str) -> Leadership:
    return Leadership(store, name, times=TIMES, clock=clock)


@pytest.fixture
async def leader(store: FakeLease, clock: Clock) -> Leadership:
    """Return a replica of the name `first` that has just taken the Lease."""
    replica = a_replica(store, clock, "first")
    await replica.try_once()
    return replica


async def test_the_first_leads_and_the_second_stands_by(store: FakeLease, clock: Clock) -> None:
    first, second = a_replica(store, clock, "first"), a_replica(store, clock, "second")

    assert await first.try_once() == 0
    assert await second.try_once() == TIMES.retry_seconds

    first.require()
    with pytest.raises(NotLeading):
        second.require()
    assert second.problem is None, "standing by is no problem"


async def test_who_stands_by_writes_nothing(store: FakeLease, clock: Clock) -> None:
    first, second = a_replica(store, clock, "first"), a_replica(store, clock, "second")
    await first.try_once()

    for _ in range(20):
        clock.now += 2
        await first.renew()
        await second.try_once()

    assert set(store.writes) == {"first"}


async def test_a_killed_leader_is_succeeded_when_its_lease_has_expired(
    store: FakeLease, clock: Clock
) -> None:
    first, second = a_replica(store, clock, "first"), a_replica(store, clock, "second")
    await first.try_once()
    killed_at = clock.now

    while wait := await second.try_once():
        clock.now += wait

    assert store.holder == "second"
    assert (
        TIMES.duration_seconds
        <= clock.now - killed_at
        <= TIMES.duration_seconds + TIMES.retry_seconds
    )


async def test_a_leader_that_was_frozen_past_its_lease_may_not_write(
    store: FakeLease, clock: Clock, leader: Leadership
) -> None:
    clock.now += TIMES.renew_deadline_seconds

    with pytest.raises(NotLeading, match="first has not renewed its Lease for 6 s"):
        leader.require()
    with pytest.raises(NotLeading):
        await leader.renew()
    assert store.writes == ["first"]


async def test_the_old_leader_may_write_no_more_before_another_may(
    store: FakeLease, clock: Clock
) -> None:
    first, second = a_replica(store, clock, "first"), a_replica(store, clock, "second")
    await first.try_once()
    await second.try_once()

    for _ in range(200):
        clock.now += 0.1
        await second.try_once()
        assert not (first.leads and second.leads)

    assert second.leads or store.holder == "second"


async def test_age_counts_from_before_the_renewal_was_sent(store: FakeLease, clock: Clock) -> None:
    class SlowLease(FakeLease):
        async def write(self, lease: Lease) -> Lease:
            stored = await super().write(lease)
            clock.now += 7
            return stored

    leader = Leadership(SlowLease(), "first", times=TIMES, clock=clock)

    await leader.try_once()

    assert not leader.leads


async def test_an_outage_shorter_than_the_deadline_costs_nothing(
    store: FakeLease, clock: Clock, leader: Leadership
) -> None:
    store.failure = ClusterUnavailable("the API server did not answer: ClientConnectorError")

    clock.now += 5
    wait = await leader.renew()

    assert wait < 1
    assert "did not answer" in (leader.problem or "")
    store.failure = None
    await leader.renew()
    clock.now += 5
    leader.require()
    assert leader.problem is None


async def test_a_renewal_whose_answer_was_lost_is_found_again(
    store: FakeLease, clock: Clock, leader: Leadership
) -> None:
    store.deafness = ClusterUnavailable("the API server did not answer: TimeoutError")

    for _ in range(3):
        clock.now += 0.5
        await leader.renew()

    clock.now += 5
    leader.require()


async def test_a_lease_that_another_has_taken_is_lost_at_once(
    store: FakeLease, leader: Leadership
) -> None:
    assert store.lease is not None
    await store.write(replace(store.lease, holder="second"))

    with pytest.raises(NotLeading, match="passed to 'second'"):
        await leader.renew()
    with pytest.raises(NotLeading):
        leader.require()


async def test_a_lease_that_was_deleted_by_hand_is_made_anew(
    store: FakeLease, leader: Leadership
) -> None:
    store.lease = None

    await leader.renew()
    await leader.renew()

    assert store.holder == "first"
    leader.require()


async def test_a_clean_end_hands_over_at_once(store: FakeLease, clock: Clock) -> None:
    first, second = a_replica(store, clock, "first"), a_replica(store, clock, "second")
    await first.try_once()
    await second.try_once()

    await first.release()

    with pytest.raises(NotLeading):
        first.require()
    assert await second.try_once() == 0
    second.require()


async def test_a_clean_end_after_an_unanswered_renewal_hands_over_too(
    store: FakeLease, leader: Leadership
) -> None:
    store.deafness = ClusterUnavailable("interrupted")
    await leader.renew()

    await leader.release()

    assert store.holder == ""


async def test_who_does_not_lead_gives_nothing_up(store: FakeLease, clock: Clock) -> None:
    first, second = a_replica(store, clock, "first"), a_replica(store, clock, "second")
    await first.try_once()
    await second.try_once()

    await second.release()

    assert store.holder == "first"


async def test_a_process_that_starts_again_under_its_name_need_not_wait(
    store: FakeLease, clock: Clock
) -> None:
    await a_replica(store, clock, "pod_uid").try_once()

    assert await a_replica(store, clock, "pod_uid").try_once() == 0


async def test_of_two_that_see_a_free_lease_one_leads(store: FakeLease, clock: Clock) -> None:
    class Late(FakeLease):
        async def read(self) -> Lease | None:
            return None

    await a_replica(store, clock, "first").try_once()
    late = Late(lease=store.lease)

    assert await Leadership(late, "second", times=TIMES, clock=clock).try_once() > 0
    assert late.holder == "first"


async def test_a_lease_that_cannot_be_read_is_a_problem_in_the_servers_words(
    store: FakeLease, clock: Clock
) -> None:
    replica = a_replica(store, clock, "first")
    assert replica.problem == "the Lease has not been read yet"
    store.failure = ClusterError("leases is forbidden")

    assert await replica.try_once() == TIMES.retry_seconds

    assert "leases is forbidden" in (replica.problem or "")


async def test_the_metric_says_who_leads(store: FakeLease, clock: Clock) -> None:
    leader = a_replica(store, clock, "first")
    assert REGISTRY.get_sample_value("wqj_leader") == 0

    await leader.acquire()
    assert REGISTRY.get_sample_value("wqj_leader") == 1

    await leader.release()
    assert REGISTRY.get_sample_value("wqj_leader") == 0


def test_the_clock_only_goes_forward() -> None:
    assert 0 < read_clock() <= read_clock()
