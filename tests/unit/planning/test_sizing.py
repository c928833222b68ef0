"""How many completions are missing, and how many pods may still be added."""

import pytest

from tests.builders import a_depth, a_finished_job, a_job, a_work_queue_job
from workqueuejob.brokers.depth import QueueDepth
from workqueuejob.planning.observing.observed import JobState, ObservedJob
from workqueuejob.planning.sizing.holding import count_held
from workqueuejob.planning.sizing.sizing import (
    cap_completions,
    count_free_pods,
    count_missing,
    size,
)

EMPTY: tuple[ObservedJob, ...] = ()


@pytest.mark.parametrize(
    ("jobs", "depth", "wanted"),
    [
        pytest.param((), a_depth(8), 8, id="without Jobs every ready item wants a completion"),
        pytest.param((), a_depth(0, 3), 0, id="items that others hold want none"),
        pytest.param((a_job(),), a_depth(5), 0, id="open completions will take ready items"),
        pytest.param((a_job(),), a_depth(7), 2, id="what open completions leave is wanted"),
        pytest.param(
            (a_job(active=2),),
            a_depth(5, 2),
            2,
            id="a completion that holds an item takes no other",
        ),
        pytest.param(
            (a_job(active=2),),
            a_depth(5, None, consumers=2),
            2,
            id="a consumer counts as a holder where in flight is unknown",
        ),
        pytest.param(
            (a_job(active=2),),
            a_depth(5, 0),
            0,
            id="active pods that hold nothing take ready items",
        ),
        pytest.param(
            (a_job(succeeded=3),), a_depth(5), 3, id="a succeeded completion takes nothing"
        ),
        pytest.param(
            (a_job(failed_indexes=3),), a_depth(5), 3, id="nor does one that was given up"
        ),
        pytest.param(
            (a_job(state=JobState.ENDING),),
            a_depth(5),
            5,
            id="nor does any of a Job that is ending",
        ),
        pytest.param((a_finished_job(succeeded=0),), a_depth(5), 5, id="nor of a finished one"),
        pytest.param((a_job(),), a_depth(1), 0, id="there is never less than nothing to do"),
        pytest.param(
            (a_job(active=2),),
            QueueDepth(ready=5),
            0,
            id="without any number of holders nobody is taken to hold an item",
        ),
    ],
)
def test_wanted_is_what_nobody_will_take(
    jobs: tuple[ObservedJob, ...], depth: QueueDepth, wanted: int
) -> None:
    assert size(a_work_queue_job().spec, jobs, depth).wanted == wanted


@pytest.mark.parametrize(
    ("jobs", "depth", "wanted"),
    [
        pytest.param((), a_depth(7), 3, id="completions are rounded up"),
        pytest.param((a_job(),), a_depth(15), 0, id="an open completion takes itemsPerPod items"),
        pytest.param((a_job(),), a_depth(16), 1, id="and no more than that"),
        pytest.param(
            (a_job(completions=1, active=1),),
            a_depth(2, 1),
            0,
            id="a holder is counted on for the rest of its items",
        ),
        pytest.param((a_job(completions=1, active=1),), a_depth(3, 1), 1, id="but for no more"),
    ],
)
def test_several_items_per_pod_are_shared_out(
    jobs: tuple[ObservedJob, ...], depth: QueueDepth, wanted: int
) -> None:
    assert size(a_work_queue_job(items_per_pod=3).spec, jobs, depth).wanted == wanted


@pytest.mark.parametrize(
    ("job", "depth", "held"),
    [
        pytest.param(
            a_job(active=2, ready=1), a_depth(9, 5, consumers=5), 1, id="ready ones alone"
        ),
        pytest.param(
            a_job(active=2, terminating=1),
            a_depth(9, 3, consumers=3),
            2,
            id="but not our own leavers",
        ),
    ],
)
def test_with_foreign_consumers_only_pods_seen_to_run_are_taken_to_hold(
    job: ObservedJob, depth: QueueDepth, held: int
) -> None:
    assert count_held((job,), depth) == held


@pytest.mark.parametrize(
    ("jobs", "free_pods"),
    [
        pytest.param((), 4, id="all of it without Jobs"),
        pytest.param((a_job(),), 2, id="a Job keeps its share before its pods exist"),
        pytest.param((a_job(active=2),), 2, id="pods are not counted beside their share"),
        pytest.param((a_job(succeeded=4),), 3, id="a share is never above the open completions"),
        pytest.param((a_job(succeeded=5, active=2),), 2, id="nor below the pods that exist"),
        pytest.param((a_job(terminating=1),), 2, id="a pod on its way out is within the share"),
        pytest.param((a_job(active=2, terminating=1),), 1, id="unless it exceeds the share"),
        pytest.param(
            (a_job(state=JobState.ENDING, active=1, terminating=1),),
            2,
            id="those of an ending Job too",
        ),
        pytest.param((a_job(1), a_job(2)), 0, id="shares add up over the waves"),
        pytest.param((a_job(parallelism=5),), -1, id="less than none after a scale down"),
        pytest.param((a_finished_job(),), 4, id="a finished Job takes none"),
    ],
)
def test_free_pods_are_what_parallelism_leaves(
    jobs: tuple[ObservedJob, ...], free_pods: int
) -> None:
    assert count_free_pods(4, jobs) == free_pods


@pytest.mark.parametrize(
    ("parallelism", "wanted", "completions"),
    [
        pytest.param(1, 7, 7, id="a short queue is one wave"),
        pytest.param(1, 5000, 100, id="a single pod gets a hundred completions at most"),
        pytest.param(20, 5000, 400, id="more pods get more"),
        pytest.param(900, 5000, 1000, id="up to a thousand"),
        pytest.param(3000, 5000, 3000, id="but never fewer than may run at once"),
    ],
)
def test_waves_are_short_enough_for_scaling_down(
    parallelism: int, wanted: int, completions: int
) -> None:
    assert cap_completions(a_work_queue_job(parallelism=parallelism).spec, wanted) == completions


@pytest.mark.parametrize(
    ("job", "missing"),
    [
        pytest.param(a_job(active=2), 0, id="all are there"),
        pytest.param(a_job(active=1), 1, id="one waits for its back-off, or is not made yet"),
        pytest.param(a_job(active=1, terminating=1), 0, id="one is about to be replaced"),
        pytest.param(a_job(succeeded=4), 1, id="no more than open completions are missed"),
        pytest.param(a_job(suspended=True), 0, id="none of a suspended Job"),
        pytest.param(a_job(state=JobState.ENDING), 0, id="none of one that is ending"),
        pytest.param(a_finished_job(), 0, id="none of one that is over"),
    ],
)
def test_missing_pods_are_those_that_a_job_may_have_and_has_not(
    job: ObservedJob, missing: int
) -> None:
    assert count_missing((job,)) == missing


def test_stalled_completions_take_no_item() -> None:
    spec, jobs = a_work_queue_job(parallelism=4).spec, (a_job(completions=2, active=1),)
    assert size(spec, jobs, a_depth(1, 1)).wanted == 0
    assert size(spec, jobs, a_depth(1, 1), stalled=1).wanted == 1


def test_finished_waves_leave_room_and_work_as_if_they_had_never_been() -> None:
    spec, depth = a_work_queue_job(parallelism=3).spec, a_depth(4)
    assert size(spec, (a_finished_job(),), depth) == size(spec, EMPTY, depth)
