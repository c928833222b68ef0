"""Runs that never end: from zero to zero again, past a straggler, and wound down."""

import time
from collections.abc import Callable

import pytest

from dev.workspaces.redis import Redis
from dev.workspaces.worker_jobs import (
    a_rabbitmq_queue,
    a_worker_job,
    assert_ledger_adds_up,
    count_processed,
    ended_as,
    print_stdin_after,
)
from dev.workspaces.workspace import Manifest, Workspace, is_going, poll, reason_of

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

SLEEP_AS_TOLD = 'read -r seconds number; sleep "$seconds"; echo "$number"'
"""Works for as long as its item says, then prints the item's number."""


def has_settled(items: int) -> Callable[[Manifest], bool]:
    """Return what says whether a run waits for items again, after so many that succeeded."""

    def holds(wqj: Manifest) -> bool:
        status = wqj.get("status") or {}
        is_waiting = "lastBusyPeriod" in status and "currentBusyPeriod" not in status
        return is_waiting and status["items"].get("succeeded") == items

    return holds


@pytest.mark.nightly
def test_continuous_run_starts_from_zero_and_goes_back_to_it(
    workspace: Workspace, redis: Redis
) -> None:
    workspace.apply(
        a_worker_job(
            workspace, "steady", runPolicy="Continuous", parallelism=2,
            successfulJobsHistoryLimit=1, command=print_stdin_after(0.2),
        )
    )  # fmt: skip
    workspace.wait_for_reason("steady", "Progressing", "WaitingForItems", seconds=60)
    assert workspace.jobs() == []

    for period in (1, 2, 3):
        items = [f"item-{period}-{number}" for number in range(4)]
        redis.rpush(workspace.queue, *items)
        waiting = workspace.wait_until("steady", has_settled(4 * period), seconds=90)
        last = waiting["status"]["lastBusyPeriod"]
        assert (last["items"], last["succeeded"]) == (4, 4)
        assert last["startTime"] <= last["endTime"]
        assert not [pod for pod in workspace.pods("steady") if is_going(pod)]

    assert reason_of(waiting, "Complete") is None
    assert_ledger_adds_up(waiting)
    assert waiting["status"]["items"]["accounting"] == "Counted"
    poll(workspace.jobs, lambda found: len(found) == 1, seconds=30)
    idle = workspace.work_queue_job("steady")["metadata"]["resourceVersion"]
    time.sleep(5)
    assert workspace.work_queue_job("steady")["metadata"]["resourceVersion"] == idle

    workspace.patch("steady", {"runPolicy": "UntilDrained"})

    ended = workspace.wait_for_end("steady", seconds=60)
    assert ended_as(ended) == ("Complete", "Drained")
    assert ended["status"]["items"]["succeeded"] == 12


LONG_SECONDS = 120
LONG = f"{LONG_SECONDS} long"


@pytest.mark.nightly
@pytest.mark.starts_early
def test_hundred_short_items_do_not_wait_for_a_long_one(workspace: Workspace) -> None:
    short = [f"1 short-{number:03}" for number in range(100)]
    workspace.broker.declare(f"{workspace.queue}.dead")
    workspace.apply(
        a_worker_job(
            workspace, "overlap", queue=a_rabbitmq_queue(workspace), mode="Coarse", itemsPerPod=34,
            runPolicy="Continuous", parallelism=4, command=SLEEP_AS_TOLD,
            retry={"deadLetter": {"name": f"{workspace.queue}.dead"}},
        )
    )  # fmt: skip
    workspace.publish([LONG])
    poll(
        lambda: [pod for pod in workspace.pods("overlap") if pod["status"]["phase"] == "Running"],
        bool,
        seconds=60,
    )

    workspace.publish(short)

    workspace.wait_until(
        "overlap",
        lambda wqj: (wqj["status"]["items"].get("succeeded") or 0) >= len(short),
        seconds=LONG_SECONDS - 10,
    )
    assert "long" not in workspace.logs("overlap")
    done = workspace.wait_until("overlap", has_settled(len(short) + 1), seconds=LONG_SECONDS)
    assert done["status"]["waves"] >= 2
    numbers = [item.split()[1] for item in [*short, LONG]]
    assert count_processed(workspace, "overlap", numbers).total() == len(numbers)
