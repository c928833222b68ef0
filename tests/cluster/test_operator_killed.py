"""An operator that dies at any moment makes no Job twice and loses no item."""

import random
import time

import pytest

from dev.workspaces.workspace import Workspace, a_manifest, print_after, reason_of

from .operator_process import await_leader, kill_operator

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.disturbs_the_operator,
    # Beside other tests it waits for all of them to end.
    pytest.mark.timeout(600),
]

FIRST, BURST = 15, 5
LONGEST_LIFE_SECONDS = 4.0


@pytest.mark.parametrize("kills", [3, pytest.param(10, marks=pytest.mark.nightly)])
def test_operator_killed_many_times_makes_no_job_twice_and_ends_the_same(
    workspace: Workspace, kills: int
) -> None:
    """On a cluster that is not local, its pod is deleted with no grace instead."""
    seed = random.randrange(1_000_000)  # noqa: S311 - not for secrets
    print(f"seed {seed}")  # noqa: T201 - shown when it fails
    moments = random.Random(seed)  # noqa: S311 - the seed repeats a run
    items = [f"item-{number:02}" for number in range(FIRST + (kills - 1) * BURST)]
    workspace.publish(items[:FIRST])
    workspace.apply(
        a_manifest(
            workspace, "survivor", command=print_after(1), parallelism=8, drainedAfterSeconds=8
        )
    )

    for kill in range(kills):
        await_leader(workspace.cluster)
        # Right after new items is when Jobs are made, and when it hurts most. A random moment
        # can't be polled for.
        time.sleep(moments.uniform(0, LONGEST_LIFE_SECONDS))
        kill_operator(workspace.cluster)
        if kill < kills - 1:
            published = FIRST + kill * BURST
            workspace.publish(items[published : published + BURST])

    assert reason_of(workspace.work_queue_job("survivor"), "Complete") is None, "it ended too soon"
    ended = workspace.wait_for_end("survivor", seconds=180)
    jobs = workspace.jobs()
    assert reason_of(ended, "Complete") == "Drained", ended["status"]
    waves = sorted(int(job["metadata"]["labels"]["wqj.dev/wave"]) for job in jobs)
    assert waves == list(range(1, ended["status"]["waves"] + 1))
    sizes = [(job["spec"]["completions"], job["status"].get("succeeded", 0)) for job in jobs]
    assert sum(completions for completions, _ in sizes) == len(items), sizes
    assert sum(succeeded for _, succeeded in sizes) == len(items), sizes
    assert sorted(workspace.logs("survivor")) == items
    assert ended["status"]["progress"] == f"{len(items)}/{len(items)}"
