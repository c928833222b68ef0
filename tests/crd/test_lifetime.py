"""What may change during a run, what a status may hold, and what kubectl makes of an object."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from workqueuejob.api import (
    Accounting,
    Condition,
    ConditionStatus,
    Decision,
    ItemsStatus,
    JobStatus,
    PodsStatus,
    Precision,
    QueueStatus,
    WorkQueueJob,
    WorkQueueJobStatus,
)

from .api_server import ApiServer, Refused
from .manifests import Manifest, build_manifest, rabbitmq, spec

pytestmark = pytest.mark.apiserver

NOW = datetime.now(UTC)
Create = Callable[[Manifest], str]


@pytest.fixture
def create(api_server: ApiServer) -> Iterator[Create]:
    """Creates objects that go when the test ends."""
    created: list[str] = []

    def create_job(changes: Manifest) -> str:
        manifest = build_manifest(changes)
        manifest["metadata"] = {"generateName": "fruits-"}
        name: str = api_server.create(manifest)["metadata"]["name"]
        created.append(name)
        return name

    yield create_job
    for name in created:
        api_server.delete(name)


URI = {"host": None, "vhost": None, "uriSecretRef": {"name": "mq"}}


@pytest.mark.parametrize(
    ("before", "change", "field"),
    [
        pytest.param({}, rabbitmq(queue="job2"), "queue", id="the queue"),
        pytest.param(rabbitmq(vhost="a"), rabbitmq(vhost="b"), "vhost", id="the virtual host"),
        pytest.param({}, rabbitmq(vhost="a"), "vhost", id="a virtual host where none was"),
        pytest.param(rabbitmq(vhost="a"), rabbitmq(vhost=None), "vhost", id="no virtual host"),
        pytest.param(rabbitmq(vhost="a"), rabbitmq(**URI), "vhost", id="a URI for a virtual host"),
    ],
)
def test_which_queue_it_is_can_not_be_changed_to(
    api_server: ApiServer, create: Create, before: Manifest, change: Manifest, field: str
) -> None:
    name = create(before)

    with pytest.raises(Refused) as refused:
        api_server.patch(name, change)

    ((where, message),) = refused.value.causes
    assert where == f"spec.queue.rabbitmq.{field}"
    assert f"{field} is immutable; create another WorkQueueJob" in message


def test_kind_of_the_queue_can_not_be_changed(api_server: ApiServer, create: Create) -> None:
    name = create({})

    with pytest.raises(Refused, match=r"the kind of spec\.queue is immutable"):
        api_server.patch(name, {"spec": {"queue": {"rabbitmq": None}}})


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(rabbitmq(host="mq2", port=5673), id="the host"),
        pytest.param(rabbitmq(**URI), id="a URI instead of a host"),
        pytest.param(rabbitmq(credentialsSecretRef={"name": "new"}), id="the credentials"),
        pytest.param(rabbitmq(tls={}), id="TLS"),
        pytest.param(rabbitmq(management={"url": "http://mq:15672"}), id="the management API"),
        pytest.param(spec(parallelism=4, suspend=True, backoffLimit=9), id="how it runs"),
        pytest.param(spec(itemsPerPod=2), id="items per pod"),
        pytest.param(spec(template={"spec": {"priorityClassName": "high"}}), id="the template"),
    ],
)
def test_how_it_is_worked_on_can_be_changed(
    api_server: ApiServer, create: Create, change: Manifest
) -> None:
    assert api_server.patch(create({}), change)["metadata"]["generation"] == 2


FULL_STATUS = WorkQueueJobStatus(
    observed_generation=1,
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
    progress="3/8",
    queue=QueueStatus(
        address="rabbitmq/job1",
        ready=3,
        in_flight=2,
        precision=Precision.EXACT,
        observed_time=NOW,
    ),
    items=ItemsStatus(
        total=8, succeeded=3, remaining=5, attempts_failed=0, accounting=Accounting.INFERRED
    ),
    pods=PodsStatus(active=2, succeeded=3, failed=0),
    desired_parallelism=2,
    jobs=(
        JobStatus(
            name="fruits-7f3a-1",
            wave=1,
            completions=8,
            parallelism=2,
            active=2,
            succeeded=3,
            failed=0,
        ),
    ),
    waves=1,
    waves_without_progress=0,
    start_time=NOW,
    completion_time=NOW,
    estimated_completion_time=NOW + timedelta(hours=1),
    items_per_minute="0.4",
    last_decision=Decision(time=NOW, message="8 ready: created fruits-7f3a-1"),
)


def test_every_field_of_the_status_is_stored(api_server: ApiServer, create: Create) -> None:
    assert None not in dict(FULL_STATUS).values()

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
        "ACTIVE",
        "AGE",
    ]
    assert cells.split()[:-1] == [name, "Working", "3/8", "3", "2", "2"]


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
        ("wqj.spec.template.spec", "kubectl explain job.spec.template.spec"),
        ("wqj.status.queue.inFlight", "spec.queue.rabbitmq.management"),
        ("wqj.status.jobs", "Number of the wave"),
    ],
)
def test_kubectl_explain_teaches(api_server: ApiServer, field: str, words: str) -> None:
    assert words in " ".join(api_server.kubectl("explain", field).split())
