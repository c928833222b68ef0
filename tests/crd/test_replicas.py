"""Two processes of the operator against a real API server: one leads, whatever becomes of it."""

import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from .api_server import ApiServer, Create
from .link import running_link
from .replicas import LEASE_NAME, Election, Replica
from .stalling_operator import STALL_LOOP, STALL_THREADS
from .waiting import wait_for

pytestmark = [pytest.mark.apiserver, pytest.mark.starts_early, pytest.mark.timeout(120)]

TAKEOVER_SECONDS = 15
STALL_SECONDS = 12
"""Longer than a Lease that is not renewed holds, and than another replica takes to see it."""
NO_BROKER = {"queue": {"rabbitmq": {"host": "127.0.0.1", "port": 1, "queue": "q"}}}


@pytest.fixture
def leader(election: Election) -> Iterator[Replica]:
    with election.running("first") as replica:
        replica.await_ready(seconds=40)
        assert election.holder() == "first"
        yield replica


@pytest.fixture
def stalling(election: Election) -> Iterator[Replica]:
    """Return a leader that a signal stalls."""
    program = [sys.executable, "-m", "tests.crd.stalling_operator"]
    stall = f"--stall-seconds={STALL_SECONDS}"
    with election.running("first", program=[*program, stall]) as replica:
        replica.await_ready(seconds=40)
        assert election.holder() == "first"
        yield replica


@pytest.fixture
def standby(election: Election, leader: Replica) -> Iterator[Replica]:
    with election.running("second") as replica:
        replica.await_ready(seconds=40)
        assert election.holder() == "first"
        yield replica


def reason_of(api_server: ApiServer, name: str) -> str:
    path = "{.status.conditions[?(@.type=='QueueReachable')].reason}"
    return api_server.kubectl("get", "wqj", name, "-o", f"jsonpath={path}")


def test_standby_is_ready_and_shows_that_it_does_not_lead(
    leader: Replica, standby: Replica
) -> None:
    assert standby.get("/healthz")[0] == 200
    assert "wqj_leader 0.0" in standby.get("/metrics")[1]
    assert "wqj_leader 1.0" in leader.get("/metrics")[1]


@pytest.mark.nightly
def test_killed_leader_is_succeeded_within_fifteen_seconds(
    election: Election, leader: Replica, standby: Replica, create: Create
) -> None:
    leader.signal(signal.SIGKILL)
    name = create({"spec": NO_BROKER})

    def is_worked_on() -> bool:
        return reason_of(election.api_server, name) == "ConnectionFailed"

    wait_for(is_worked_on, seconds=TAKEOVER_SECONDS)
    assert election.holder() == "second"
    assert election.lease().lease_transitions == 1


def test_leader_that_ends_cleanly_hands_over_at_once(
    election: Election, leader: Replica, standby: Replica
) -> None:
    leader.signal(signal.SIGTERM)

    # The standby looks every two seconds.
    wait_for(lambda: election.holder() == "second", seconds=4)
    assert leader.process.wait(timeout=20) == 0
    assert "Lease given up" in leader.log()


def test_leader_that_was_frozen_past_its_lease_ends_without_a_write(
    election: Election, leader: Replica, standby: Replica, create: Create
) -> None:
    leader.signal(signal.SIGSTOP)
    wait_for(lambda: election.holder() == "second", seconds=TAKEOVER_SECONDS)
    before = len(leader.log())
    # What it would write about: it hears of this when it thaws.
    name = create({"spec": NO_BROKER})

    leader.signal(signal.SIGCONT)

    assert leader.process.wait(timeout=15) == 1
    said = leader.log()[before:]
    assert "leadership lost" in said
    assert "event recorded" not in said
    assert "Lease given up" not in said
    assert election.holder() == "second"
    wait_for(
        lambda: reason_of(election.api_server, name) == "ConnectionFailed",
        seconds=TAKEOVER_SECONDS,
    )


@pytest.mark.nightly
def test_leader_that_is_cut_off_ends_and_is_succeeded(
    election: Election, tmp_path: Path, create: Create
) -> None:
    with (
        running_link(election.api_server.kubeconfig, tmp_path) as link,
        election.running("first", kubeconfig=link.kubeconfig) as leader,
    ):
        leader.await_ready(seconds=40)
        with election.running("second") as standby:
            standby.await_ready(seconds=40)
            assert election.holder() == "first"

            link.stall()
            name = create({"spec": NO_BROKER})

            wait_for(
                lambda: reason_of(election.api_server, name) == "ConnectionFailed",
                seconds=TAKEOVER_SECONDS,
            )
            assert election.holder() == "second"
            assert leader.process.wait(timeout=10) == 1
            assert "leadership lost" in leader.log()


def test_leader_without_a_lease_of_its_own_any_more_ends(
    election: Election, leader: Replica
) -> None:
    election.api_server.kubectl(
        "patch", "lease", LEASE_NAME, "--type=merge",
        "-p", '{"spec": {"holderIdentity": "somebody-else"}}',
    )  # fmt: skip
    began = time.monotonic()

    assert leader.process.wait(timeout=15) == 1
    assert time.monotonic() - began < 10
    assert election.holder() == "somebody-else"


def test_leader_whose_loop_stalls_leads_on_and_answers(
    election: Election, stalling: Replica, create: Create
) -> None:
    with election.running("second") as standby:
        standby.await_ready(seconds=40)
        began = time.monotonic()
        stalling.signal(STALL_LOOP)
        name = create({"spec": NO_BROKER})

        answered = 0
        while time.monotonic() - began < STALL_SECONDS - 2:
            is_healthy = stalling.get("/healthz")[0] == 200
            answered += is_healthy and "wqj_leader 1.0" in stalling.get("/metrics")[1]
            assert reason_of(election.api_server, name) == "", "the loop does not stall"
            time.sleep(1)
        assert answered >= 2

        wait_for(lambda: reason_of(election.api_server, name) == "ConnectionFailed", seconds=20)
        assert election.holder() == "first"
        assert election.lease().lease_transitions in {None, 0}
        assert stalling.process.poll() is None


@pytest.mark.nightly
def test_leader_of_which_no_thread_runs_loses_its_lease_and_writes_nothing(
    election: Election, stalling: Replica, create: Create
) -> None:
    with election.running("second") as standby:
        standby.await_ready(seconds=40)
        stalling.signal(STALL_THREADS)
        name = create({"spec": NO_BROKER})
        before = len(stalling.log())

        wait_for(lambda: election.holder() == "second", seconds=TAKEOVER_SECONDS)
        assert stalling.process.wait(timeout=20) == 1
        said = stalling.log()[before:]
        assert "leadership lost" in said
        assert "event recorded" not in said
        wait_for(
            lambda: reason_of(election.api_server, name) == "ConnectionFailed",
            seconds=TAKEOVER_SECONDS,
        )
