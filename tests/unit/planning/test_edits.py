"""A spec that is changed in the middle of a run: the next wave follows it, running pods don't."""

from typing import Any

import pytest

from tests.builders import a_depth, a_job, a_template, a_work_queue_job, a_worker_spec, after
from tests.builders import an_observation as observe
from tests.reckoning import plan
from workqueuejob.api import WorkQueueJob
from workqueuejob.planning.actions import CreateWave, GrowWave
from workqueuejob.planning.evidence.evidence import Evidence
from workqueuejob.planning.observing.observed import ObservedJob
from workqueuejob.planning.pods.job_manifest import hash_template

BEFORE = a_work_queue_job(mode="Fine", parallelism=4, **a_worker_spec())

EDITS: dict[str, dict[str, Any]] = {
    "another template": {"template": a_template(priority=1)},
    "another host": {"rabbitmq": {"host": "other"}},
    "another Secret": {"rabbitmq": {"credentials_secret_ref": {"name": "rotated"}}},
    "TLS": {"rabbitmq": {"tls": {}}},
}


def edited(edit: str) -> WorkQueueJob:
    return a_work_queue_job(mode="Fine", parallelism=4, **a_worker_spec(), **EDITS[edit])


def a_running_wave(**fields: Any) -> ObservedJob:
    known = {"completions": 2, "parallelism": 2, "active": 2, "ready": 2}
    return a_job(**known, template_hash=hash_template(BEFORE), **fields)


@pytest.mark.parametrize("edit", EDITS)
def test_new_pods_are_those_of_a_new_wave(edit: str) -> None:
    observed = observe(a_running_wave(), depth=a_depth(5, 2), resource=edited(edit))

    assert plan(observed, Evidence(), now=after(0)).actions == (
        CreateWave(wave=2, completions=2, parallelism=2),
    )


def test_what_only_the_operator_reads_needs_no_new_pods_of_another_kind() -> None:
    management = {"management": {"url": "http://mq:15672"}}
    run = a_work_queue_job(mode="Fine", parallelism=4, rabbitmq=management, **a_worker_spec())
    wave = a_running_wave()

    observed = observe(wave, depth=a_depth(5, 2), resource=run)

    assert plan(observed, Evidence(), now=after(0)).actions == (
        GrowWave(wave.name, completions=4, resource_version=wave.resource_version),
    )


@pytest.mark.parametrize("edit", EDITS)
def test_pods_at_work_are_left_alone(edit: str) -> None:
    observed = observe(a_running_wave(), depth=a_depth(0, 2), resource=edited(edit))

    assert plan(observed, Evidence(), now=after(0)).actions == ()
