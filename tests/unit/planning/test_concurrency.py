"""Pods that work on several items at once: how many there are, and what a killed one leaves."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import (
    NOON,
    a_depth,
    a_finished_job,
    a_job,
    a_job_manifest,
    a_pod_metadata,
    a_work_queue_job,
    a_worker_spec,
    after,
    an_observation,
)
from tests.reckoning import gather_evidence, plan
from workqueuejob.api import WorkQueueJobSpec
from workqueuejob.brokers.depth import QueueDepth
from workqueuejob.contract.report import ItemCounts, write_report
from workqueuejob.planning.actions import CreateWave
from workqueuejob.planning.evidence.evidence import Evidence
from workqueuejob.planning.evidence.movement import begin_movement, follow_movement
from workqueuejob.planning.observing.jobs import read_job
from workqueuejob.planning.observing.observed import ObservedJob
from workqueuejob.planning.observing.pod_reports import (
    PodReport,
    attach_reports,
    read_pod_report,
)
from workqueuejob.planning.pods.job_manifest import WorkerImage, build_job
from workqueuejob.planning.sizing.autoscale import choose_scaling
from workqueuejob.planning.sizing.holding import count_left
from workqueuejob.planning.sizing.sizing import size

LABEL = "wqj.dev/concurrency"


def a_resource(concurrency: int | None, **spec: Any) -> Any:
    worker = {"source": "Image"} | ({"concurrency": concurrency} if concurrency else {})
    return a_work_queue_job(**a_worker_spec(**{"mode": "Fine"} | spec) | {"worker": worker})


def a_spec(concurrency: int | None, **spec: Any) -> WorkQueueJobSpec:
    found: WorkQueueJobSpec = a_resource(concurrency, **spec).spec
    return found


def a_fine_job(pods: int, *, active: int | None = None, concurrency: int = 8) -> ObservedJob:
    active = pods if active is None else active
    return a_job(
        completions=pods, parallelism=pods, active=active, ready=active, concurrency=concurrency
    )


@pytest.mark.parametrize(
    ("jobs", "depth", "wanted"),
    [
        pytest.param((), a_depth(17), 3, id="each pod takes eight items"),
        pytest.param((), a_depth(8), 1, id="and eight need one pod"),
        pytest.param(
            (a_fine_job(3),), a_depth(20, 24), 3, id="full pods take nothing of what is ready"
        ),
        pytest.param(
            (a_fine_job(3),), a_depth(20, None, consumers=3), 3, id="consumers are full then"
        ),
        pytest.param(
            (a_fine_job(3),), a_depth(20, None, consumers=1), 1, id="pods that start take eight"
        ),
        pytest.param(
            (a_fine_job(3),), a_depth(9, 20), 1, id="pods that are not full take what they can"
        ),
        pytest.param((a_fine_job(3),), a_depth(4, 20), 0, id="which may be all"),
        pytest.param((), a_depth(20, partitions=9), 2, id="eight partitions need one pod"),
        pytest.param((a_fine_job(2),), a_depth(20, 0, partitions=9), 0, id="and no more do good"),
        pytest.param(
            (a_fine_job(2, concurrency=1),),
            a_depth(20, 2),
            3,
            id="pods of an earlier wave take one each, and new ones eight",
        ),
        pytest.param(
            (a_fine_job(2, concurrency=16),), a_depth(20, 0), 0, id="or more than new ones"
        ),
    ],
)
def test_pods_of_a_fine_run_follow_from_what_each_takes(
    jobs: tuple[ObservedJob, ...], depth: QueueDepth, wanted: int
) -> None:
    assert size(a_spec(8), jobs, depth).wanted == wanted


def test_pods_that_pass_ready_items_over_are_full_whatever_they_hold() -> None:
    # One of two pods works on an item alone, and the other has not started.
    jobs = (a_fine_job(2, active=1),)
    assert size(a_spec(8), jobs, a_depth(9, 1)).wanted == 0
    assert size(a_spec(8), jobs, a_depth(9, 1), full=True).wanted == 1
    assert size(a_spec(8), jobs, a_depth(8, 1), full=True).wanted == 0


@pytest.mark.parametrize(
    ("seconds", "concurrency", "ready", "actions"),
    [(9, 8, 3, 0), (10, 8, 3, 1), (10, 1, 3, 1), (60, 8, 0, 0)],
    ids=["not yet", "now", "one at a time, at once", "nothing is ready"],
)
def test_items_that_pods_pass_over_for_ten_seconds_get_others(
    seconds: int, concurrency: int, ready: int, actions: int
) -> None:
    resource = a_resource(concurrency, parallelism=2)
    evidence = Evidence()
    for at in range(seconds + 1):
        job = a_fine_job(1, concurrency=concurrency)
        seen = an_observation(job, resource=resource, depth=a_depth(ready, 1), at=float(at))
        evidence = gather_evidence(evidence, seen, now=after(at))
    assert len(plan(seen, evidence, now=after(seconds)).actions) == actions


@pytest.mark.parametrize("concurrency", [None, 3])
def test_coarse_completions_follow_from_items_per_pod_alone(concurrency: int | None) -> None:
    spec = a_spec(concurrency, mode="Coarse", items_per_pod=3)
    assert size(spec, (), a_depth(7)).wanted == 3
    job = a_job(completions=2, active=1, ready=1, concurrency=concurrency or 1)
    assert size(spec, (job,), a_depth(7, concurrency or 1)).wanted == 2


@given(
    ready=st.integers(1, 300),
    pods=st.integers(0, 20),
    full=st.integers(0, 20),
    concurrency=st.integers(1, 16),
)
def test_pods_are_those_of_the_formula(ready: int, pods: int, full: int, concurrency: int) -> None:
    full = min(full, pods)
    jobs = (a_fine_job(pods, concurrency=concurrency),) if pods else ()
    spec = a_spec(concurrency)
    formula = max(0, -(-(ready - concurrency * (pods - full)) // concurrency))
    assert size(spec, jobs, a_depth(ready, None, consumers=full)).wanted == formula
    assert size(spec, jobs, a_depth(ready, full * concurrency)).wanted == formula


@given(
    ready=st.integers(0, 300),
    concurrencies=st.lists(st.integers(1, 16), max_size=4),
    in_flight=st.none() | st.integers(0, 200),
    consumers=st.integers(0, 12),
    own=st.integers(1, 16),
)
def test_what_is_wanted_is_never_more_than_one_item_for_each_new_pod_too_many(
    ready: int, concurrencies: list[int], in_flight: int | None, consumers: int, own: int
) -> None:
    jobs = tuple(
        a_job(wave, completions=3, active=3, ready=3, concurrency=each)
        for wave, each in enumerate(concurrencies, start=1)
    )
    wanted = size(a_spec(own), jobs, a_depth(ready, in_flight, consumers=consumers)).wanted
    assert 0 <= wanted <= -(-ready // own)


def test_what_consumers_hold_is_known_only_while_items_are_ready() -> None:
    jobs = (a_fine_job(3),)
    assert count_left(jobs, a_depth(5, None, consumers=3, delayed=2)) == 31
    assert count_left(jobs, a_depth(0, None, consumers=3, delayed=2)) is None
    assert count_left(jobs, a_depth(0, None, consumers=0, delayed=2)) == 2
    assert count_left(jobs, a_depth(0, 7, consumers=3, delayed=2)) == 9
    assert count_left((a_fine_job(3, concurrency=1),), a_depth(0, None, consumers=3)) == 3


def test_items_that_a_pod_takes_and_gives_back_have_moved_nothing() -> None:
    # Three are ready, a pod takes all of them, dies, and they are ready again.
    before = begin_movement((), 3, succeeded=0)
    job = a_fine_job(1)
    held = count_left((job,), a_depth(0, None, consumers=1))
    during = follow_movement(before, (job,), held, was_quiet=True, succeeded=0)
    after = follow_movement(during, (job,), 3, was_quiet=False, succeeded=0)
    assert (during.has_moved, after.has_moved) == (False, False)


@pytest.mark.parametrize(
    ("depth", "pods", "message"),
    [
        (a_depth(20), 3, "20 items left at 8 at once need 3 of 4 pods"),
        (a_depth(1), 1, "1 item left at 8 at once needs 1 of 4 pods"),
        (a_depth(90, partitions=9), 2, "90 items left at 8 at once need 12 pods, of which 2 may"),
    ],
)
def test_pods_without_a_wish_follow_from_the_concurrency(
    depth: QueueDepth, pods: int, message: str
) -> None:
    resource = a_resource(8, parallelism=4, autoscale={"min_parallelism": 0})
    observed = an_observation(depth=depth, resource=resource)
    scaling = choose_scaling(observed, None, now=NOON)
    assert scaling is not None
    assert scaling.pods == pods
    assert (scaling.message or "").startswith(message)


def test_jobs_say_how_many_items_their_pods_work_on() -> None:
    job = build_job(a_resource(8), CreateWave(1, 2, 2), WorkerImage("worker"))
    assert job["metadata"]["labels"][LABEL] == "8"
    assert job["spec"]["template"]["metadata"]["labels"][LABEL] == "8"
    for concurrency in (None, 1):
        other = build_job(a_resource(concurrency), CreateWave(1, 2, 2), WorkerImage("worker"))
        assert LABEL not in other["metadata"]["labels"]


@pytest.mark.parametrize(
    ("label", "concurrency"),
    [(None, 1), ("8", 8), ("256", 256), ("999", 256), ("0", 1), ("1e3", 1), ("", 1), ("٣", 1)],
)
def test_label_that_no_operator_wrote_makes_no_pod_too_many(
    label: str | None, concurrency: int
) -> None:
    manifest = a_job_manifest()
    manifest["metadata"]["labels"] |= {} if label is None else {LABEL: label}
    assert read_job(manifest).concurrency == concurrency


def read_killed(message: str | None, label: str = "8") -> PodReport:
    metadata = a_pod_metadata("u1", a_job())
    metadata["labels"][LABEL] = label
    terminated = {"exitCode": 137} | ({"message": message} if message else {})
    container = {"name": "worker", "state": {"terminated": terminated}}
    status = {"phase": "Failed", "containerStatuses": [container], "startTime": "x"}
    report = read_pod_report({"metadata": metadata, "spec": {}, "status": status})
    assert report is not None
    return report


@pytest.mark.parametrize("held", [0, 1, 5, 8])
def test_killed_pod_leaves_as_many_uncertain_items_as_it_had_in_hand(held: int) -> None:
    said = write_report(ItemCounts(succeeded=3, uncertain=1), held=held)
    assert read_killed(said).items.uncertain == held + 1


def test_killed_pod_without_a_report_leaves_as_many_as_it_may_have_had() -> None:
    assert read_killed(None).items.uncertain == 8
    assert read_killed(None, label="").items.uncertain == 1


def test_stuck_pod_may_have_as_many_items_as_it_works_on_at_once() -> None:
    job = a_finished_job(terminating=2, stuck=2, concurrency=8)
    assert getattr(attach_reports(job, (), is_listed=False).items, "uncertain", None) == 16


def test_worker_that_lacks_the_feature_works_on_one_item_at_a_time() -> None:
    said = write_report(ItemCounts(), lacks=("concurrency",))
    reports = [read_killed(said)]
    job = attach_reports(a_job(concurrency=8), reports, is_listed=False)
    assert (job.concurrency, job.lacks) == (1, ("concurrency",))
