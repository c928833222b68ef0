"""What a status may hold, and what kubectl makes of an object."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from workqueuejob.api import (
    Accounting,
    BusyPeriod,
    Condition,
    ConditionStatus,
    CountedItems,
    CountsBefore,
    Decision,
    ItemsStatus,
    JobStatus,
    PodsStatus,
    Precision,
    QueueStatus,
    RunOffsets,
    ScalingStatus,
    WorkQueueJob,
    WorkQueueJobStatus,
)

from .api_server import ApiServer, Create, Refused
from .manifests import spec

pytestmark = pytest.mark.apiserver

NOW = datetime.now(UTC)
COUNTED = CountedItems(succeeded=2, dead_lettered=1, attempts_failed=3, uncertain=1)
PERIOD = BusyPeriod(
    start_time=NOW,
    items=9,
    succeeded=2,
    dead_lettered=1,
    discarded=0,
    waves=1,
    pods_failed=0,
)
FULL_STATUS = WorkQueueJobStatus(
    observed_generation=1,
    installation="workqueuejob-system/workqueuejob",
    conditions=(
        Condition(
            type="Progressing",
            status=ConditionStatus.TRUE,
            observed_generation=1,
            last_transition_time=NOW,
            reason="Working",
            message="2 pods at work",
        ),
        Condition(
            type="QueueReachable",
            status=ConditionStatus.UNKNOWN,
            last_transition_time=NOW,
            reason="NotMeasured",
            message="",
        ),
    ),
    selector="wqj.dev/name=fruits",
    progress="3/9",
    queue=QueueStatus(
        address="rabbitmq/job1",
        ready=3,
        in_flight=2,
        delayed=0,
        dead_lettered=5,
        dead_lettered_at_start=4,
        offsets=RunOffsets(topic_id="IUbsfe94QKSwMdTvRj3M/w", starts="0,0,5", ends="4,9,5"),
        later=2,
        removed=1,
        precision=Precision.EXACT,
        observed_time=NOW,
    ),
    items=ItemsStatus(
        total=9,
        succeeded=2,
        dead_lettered=1,
        discarded=0,
        remaining=6,
        attempts_failed=3,
        expired=1,
        accounting=Accounting.COUNTED,
    ),
    counted=COUNTED,
    pods=PodsStatus(active=2, succeeded=3, failed=0),
    desired_parallelism=2,
    scaling=ScalingStatus(seconds_per_item="1.02", message="9 items left need 2 of 8 pods"),
    jobs=(
        JobStatus(
            name="fruits-7f3a-1",
            wave=1,
            completions=8,
            parallelism=2,
            active=2,
            succeeded=3,
            failed=0,
            deleted=1,
            items=COUNTED,
        ),
    ),
    waves=1,
    waves_without_progress=0,
    current_busy_period=PERIOD.model_copy(update={"before": CountsBefore(waves=3, succeeded=7)}),
    last_busy_period=PERIOD.model_copy(update={"end_time": NOW, "given_up": 2}),
    start_time=NOW,
    succeeded_before_start=1,
    completion_time=NOW,
    estimated_completion_time=NOW + timedelta(hours=1),
    items_per_minute="0.4",
    last_decision=Decision(time=NOW, message="8 ready: created fruits-7f3a-1"),
    spec_hash_at_end="0123456789abcdef",
)


def test_every_field_of_the_status_is_stored(api_server: ApiServer, create: Create) -> None:
    assert None not in dict(FULL_STATUS).values()
    assert None not in dict(FULL_STATUS.queue or ()).values()
    assert None not in dict(FULL_STATUS.items or ()).values()
    assert None not in dict(FULL_STATUS.jobs[0]).values()

    stored = api_server.patch_status(create({}), FULL_STATUS.to_manifest())

    assert stored["status"] == FULL_STATUS.to_manifest()


def test_stored_object_can_be_read(api_server: ApiServer, create: Create) -> None:
    job = WorkQueueJob.from_manifest(api_server.patch(create({}), spec(parallelism=2)))

    assert (job.metadata.namespace, job.metadata.generation) == ("default", 2)
    assert job.spec.parallelism == 2
    assert job.status == WorkQueueJobStatus()


def test_writing_the_spec_leaves_the_status_alone(api_server: ApiServer, create: Create) -> None:
    assert "status" not in api_server.patch(create({}), {"status": {"waves": 7}})


def test_writing_the_status_leaves_the_generation_alone(
    api_server: ApiServer, create: Create
) -> None:
    stored = api_server.patch_status(create({}), FULL_STATUS.to_manifest())

    assert stored["metadata"]["generation"] == 1


def test_longest_message_that_the_models_allow_is_stored(
    api_server: ApiServer, create: Create
) -> None:
    decision = Decision(time=NOW, message="ü" * 5000)

    stored = api_server.patch_status(create({}), {"lastDecision": decision.to_manifest()})

    assert len(stored["status"]["lastDecision"]["message"]) == 1024


def test_two_conditions_of_one_type_are_refused(api_server: ApiServer, create: Create) -> None:
    condition = FULL_STATUS.conditions[0].to_manifest()

    with pytest.raises(Refused, match="Duplicate"):
        api_server.patch_status(create({}), {"conditions": [condition, condition]})


def test_kubectl_scale_sets_parallelism_and_sees_active_pods(
    api_server: ApiServer, create: Create
) -> None:
    name = create({})
    api_server.patch_status(name, FULL_STATUS.to_manifest())

    api_server.kubectl("scale", f"wqj/{name}", "--replicas=3")

    path = f"/apis/wqj.dev/v1alpha1/namespaces/default/workqueuejobs/{name}/scale"
    scale = json.loads(api_server.kubectl("get", "--raw", path))
    assert scale["spec"] == {"replicas": 3}
    assert scale["status"] == {"replicas": 2, "selector": "wqj.dev/name=fruits"}


def test_kubectl_get_answers_at_a_glance(api_server: ApiServer, create: Create) -> None:
    name = create({})
    api_server.patch_status(name, FULL_STATUS.to_manifest())

    heads, cells = api_server.kubectl("get", "wqj", name).splitlines()

    assert heads.split() == [
        "NAME",
        "STATUS",
        "PROGRESS",
        "QUEUED",
        "IN-FLIGHT",
        "DEAD",
        "ACTIVE",
        "AGE",
    ]
    assert cells.split()[:-1] == [name, "Working", "3/9", "3", "2", "1", "2"]


def test_kubectl_get_wide_says_where_how_fast_and_why(
    api_server: ApiServer, create: Create
) -> None:
    name = create({})
    api_server.patch_status(name, FULL_STATUS.to_manifest())

    heads, cells = api_server.kubectl("get", "wqj", name, "-o", "wide").splitlines()

    assert heads.split()[-4:] == ["QUEUE", "RATE", "ETA", "MESSAGE"]
    assert "rabbitmq/job1" in cells
    assert "<invalid>" not in cells
    assert cells.endswith("2 pods at work")


def test_kubectl_get_shows_nothing_where_nothing_is_known(
    api_server: ApiServer, create: Create
) -> None:
    name = create({})

    cells = api_server.kubectl("get", "wqj", name, "--no-headers").split()

    assert cells[0] == name
    assert "0" not in cells


def test_kubectl_get_all_lists_it(api_server: ApiServer, create: Create) -> None:
    name = create({})

    assert f"workqueuejob.wqj.dev/{name}" in api_server.kubectl("get", "all")


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ("wqj", "drains a work queue with Jobs of the right size"),
        ("wqj.spec", "kubectl scale"),
        ("wqj.spec.queue.rabbitmq", "5672, or 5671 when tls is set"),
        ("wqj.spec.queue.rabbitmq.tls.clientCertificateSecretRef", "Default: tls.crt"),
        ("wqj.spec.queue.redis", "Exactly one of host, uriSecretRef and sentinel"),
        ("wqj.spec.queue.redis.list.processingKey", "job2:processing"),
        ("wqj.spec.worker", "Injected"),
        ("wqj.spec.worker.delivery", "ITEM_FILE"),
        ("wqj.spec.worker.delivery.envelopeFile", "ITEM_ENVELOPE_FILE"),
        ("wqj.spec.retry", "{job2}:dead"),
        ("wqj.spec.failurePolicy.maxDeadLettered", "a percentage of the items settled"),
        ("wqj.spec.template.spec", "kubectl explain job.spec.template.spec"),
        ("wqj.status.queue.inFlight", "spec.queue.rabbitmq.management"),
        ("wqj.status.items.accounting", "Counted: every settled item was counted"),
        ("wqj.status.jobs", "Number of the Job's wave"),
    ],
)
def test_kubectl_explain_teaches(api_server: ApiServer, field: str, words: str) -> None:
    assert words in " ".join(api_server.kubectl("explain", field).split())
