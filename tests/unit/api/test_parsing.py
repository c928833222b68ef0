from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from pydantic import ValidationError

from workqueuejob.api import (
    TLS,
    AuthMechanism,
    CASecretReference,
    ClientCertificateSecretReference,
    Condition,
    ConditionStatus,
    CredentialsSecretReference,
    Decision,
    EmptyStart,
    FailurePolicy,
    Mode,
    RabbitMQQueue,
    RedisCredentialsSecretReference,
    RedisQueue,
    Retry,
    RunPolicy,
    URISecretReference,
    Verification,
    WorkQueueJob,
    WorkQueueJobSpec,
    WorkQueueJobStatus,
)
from workqueuejob.api.base import Model

NOON = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)


def build_spec(**changes: Any) -> dict[str, Any]:
    return {
        "queue": {"rabbitmq": {"host": "mq", "queue": "job1"}},
        "template": {"spec": {"containers": [{"name": "worker"}]}},
        **changes,
    }


def build_manifest(**changes: Any) -> dict[str, Any]:
    return {
        "apiVersion": "wqj.dev/v1alpha1",
        "kind": "WorkQueueJob",
        "metadata": {
            "name": "fruits",
            "namespace": "default",
            "uid": "7f3a",
            "generation": 2,
            "resourceVersion": "41",
            "managedFields": [],
        },
        "spec": build_spec(),
        **changes,
    }


REDIS_LIST = {"redis": {"host": "redis", "list": {"key": "job2"}}}
REDIS_STREAM = {"redis": {"host": "redis", "stream": {"key": "job3", "consumerGroup": "workers"}}}
WORKER = {"source": "Injected"}


def build_rabbitmq(**changes: Any) -> RabbitMQQueue:
    return RabbitMQQueue.from_manifest({"host": "mq", "queue": "job1", **changes})


def test_object_without_status_has_an_unknown_status() -> None:
    job = WorkQueueJob.from_manifest(build_manifest())

    assert job.status == WorkQueueJobStatus()
    assert job.status.queue is None
    assert job.status.waves is None


def test_spec_defaults_are_those_of_the_reference() -> None:
    spec = WorkQueueJobSpec.from_manifest(build_spec())

    assert spec.mode is Mode.COARSE
    assert spec.items_per_pod is None
    assert spec.run_policy is RunPolicy.UNTIL_DRAINED
    assert spec.empty_start is EmptyStart.COMPLETE
    assert (spec.drained_after_seconds, spec.parallelism, spec.backoff_limit) == (5, 1, 6)
    assert spec.suspend is False
    assert spec.job_metadata.labels == {}
    assert (spec.worker, spec.retry, spec.failure_policy) == (None, None, None)


def test_worker_defaults_are_those_of_the_reference() -> None:
    spec = WorkQueueJobSpec.from_manifest(build_spec(worker=WORKER))

    assert spec.to_manifest()["worker"] == {
        "source": "Injected",
        "delivery": {"type": "Stdin", "variable": "ITEM"},
        "prefixOutput": False,
    }


def test_retry_defaults_are_those_of_the_reference() -> None:
    assert Retry().to_manifest() == {
        "maxAttempts": 3,
        "initialDelaySeconds": 1,
        "maxDelaySeconds": 300,
        "onExhausted": "DeadLetter",
    }


def test_retry_that_is_unset_means_its_defaults() -> None:
    assert WorkQueueJobSpec.from_manifest(build_spec(worker=WORKER)).retry_or_default == Retry()


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        pytest.param({"queue": REDIS_LIST}, None, id="without worker"),
        pytest.param({"queue": REDIS_LIST, "worker": WORKER}, "{job2}:dead", id="a list"),
        pytest.param({"queue": REDIS_STREAM, "worker": WORKER}, "{job3}:dead", id="a stream"),
        pytest.param(
            {
                "queue": {"redis": {"host": "redis", "list": {"key": "{app}:jobs"}}},
                "worker": WORKER,
            },
            "{app}:jobs:dead",
            id="a key with a hash tag",
        ),
        pytest.param(
            {"queue": REDIS_LIST, "worker": WORKER, "retry": {"deadLetter": {"name": "bad"}}},
            "bad",
            id="a key of the user's",
        ),
        pytest.param(
            {"queue": REDIS_LIST, "worker": WORKER, "retry": {"onExhausted": "Discard"}},
            None,
            id="discarded",
        ),
        pytest.param(
            {"worker": WORKER, "retry": {"deadLetter": {"name": "job1.dead"}}},
            "job1.dead",
            id="a RabbitMQ queue",
        ),
        pytest.param({"worker": WORKER}, None, id="RabbitMQ has no default"),
    ],
)
def test_dead_letters_go_to(changes: dict[str, Any], name: str | None) -> None:
    assert WorkQueueJobSpec.from_manifest(build_spec(**changes)).dead_letter_name == name


@pytest.mark.parametrize(
    ("worker", "injected"), [(None, False), ({"source": "Image"}, False), (WORKER, True)]
)
def test_worker_is_brought_into_the_pod_only_if_asked_for(
    worker: dict[str, Any] | None, injected: bool
) -> None:
    changes = {} if worker is None else {"worker": worker}

    assert WorkQueueJobSpec.from_manifest(build_spec(**changes)).is_worker_injected is injected


@pytest.mark.parametrize(
    ("policy", "dead_lettered", "settled", "allowed"),
    [
        pytest.param({"maxDeadLettered": 0}, 0, 0, True, id="none of none"),
        pytest.param({"maxDeadLettered": 0}, 1, 1, False, id="one where none may be"),
        pytest.param({"maxDeadLettered": 5}, 5, 5, True, id="as many as may be"),
        pytest.param({"maxDeadLettered": 5}, 6, 1000, False, id="one more than may be"),
        pytest.param({"maxDeadLettered": "5%"}, 1, 1, True, id="too few settled to tell"),
        pytest.param({"maxDeadLettered": "5%"}, 1, 20, True, id="just the percentage"),
        pytest.param({"maxDeadLettered": "5%"}, 2, 20, False, id="more than the percentage"),
        pytest.param({"maxDeadLettered": "0%", "minSettledItems": 0}, 0, 0, True, id="nothing yet"),
        pytest.param({"maxDeadLettered": "0%", "minSettledItems": 0}, 1, 1, False, id="the first"),
        pytest.param({"maxDeadLettered": "100%"}, 99, 99, True, id="all of them"),
    ],
)
def test_failure_policy_allows(
    policy: dict[str, Any], dead_lettered: int, settled: int, allowed: bool
) -> None:
    found = FailurePolicy.from_manifest(policy)

    assert found.allows(dead_lettered=dead_lettered, settled=settled) is allowed


@pytest.mark.parametrize("limit", [-1, "5", "x%", "101%", "05%", "-5%", "5.5%", 2**31])
def test_limit_that_is_neither_number_nor_percentage_is_refused(limit: int | str) -> None:
    with pytest.raises(ValidationError):
        FailurePolicy.from_manifest({"maxDeadLettered": limit})


@pytest.mark.parametrize(("queue", "key"), [(REDIS_LIST, "job2"), (REDIS_STREAM, "job3")])
def test_key_is_that_of_the_list_or_stream(queue: dict[str, Any], key: str) -> None:
    assert RedisQueue.from_manifest(queue["redis"]).key == key


def test_empty_tls_is_tls_with_full_verification() -> None:
    assert build_rabbitmq(tls={}).tls == TLS(verification=Verification.FULL)


def test_absent_tls_is_no_tls() -> None:
    assert build_rabbitmq().tls is None


@pytest.mark.parametrize(
    ("reference", "keys"),
    [
        (URISecretReference, {"key": "uri"}),
        (CASecretReference, {"key": "ca.crt"}),
        (CredentialsSecretReference, {"usernameKey": "username", "passwordKey": "password"}),
        (RedisCredentialsSecretReference, {"passwordKey": "password"}),
        (
            ClientCertificateSecretReference,
            {"certificateKey": "tls.crt", "privateKeyKey": "tls.key"},
        ),
    ],
)
def test_secrets_of_the_usual_types_fit_as_they_are(
    reference: type[Model], keys: dict[str, str]
) -> None:
    assert reference.from_manifest({"name": "s"}).to_manifest() == {"name": "s", **keys}


def test_unknown_fields_of_a_newer_version_are_ignored() -> None:
    manifest = build_manifest(
        spec=build_spec(autoscale={"itemsPerWorker": 1, "cooldownSeconds": 5}),
        status={"phase": "Running", "queue": {"ready": 3, "expired": 2}},
    )

    job = WorkQueueJob.from_manifest(manifest)

    assert job.status.queue is not None
    assert job.status.queue.ready == 3


def test_template_is_kept_as_the_user_wrote_it() -> None:
    template = {"spec": {"containers": [{"name": "c", "newField": {"a": [1, None]}}], "x": {}}}

    assert (
        WorkQueueJobSpec.from_manifest(build_spec(template=template)).template.parse() == template
    )


def test_template_that_the_schema_would_refuse_can_still_be_read() -> None:
    spec = WorkQueueJobSpec.from_manifest(build_spec(template={"spec": {}}))

    assert spec.template.parse() == {"spec": {}}


@pytest.mark.parametrize(
    "changes",
    [
        {"mode": "Medium"},
        {"worker": {"source": "Sidecar"}},
        {"retry": {"maxAttempts": 0}},
        {"retry": {"maxDelaySeconds": 86_401}},
        {"runPolicy": "Once"},
        {"emptyStart": "Skip"},
        {"parallelism": -1},
        {"parallelism": 10_001},
        {"itemsPerPod": 0},
        {"drainedAfterSeconds": -1},
    ],
)
def test_value_that_the_operator_has_no_meaning_for_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        WorkQueueJobSpec.from_manifest(build_spec(**changes))


def test_spec_comes_back_from_its_manifest() -> None:
    job = WorkQueueJob.from_manifest(
        build_manifest(
            spec=build_spec(
                queue={
                    "rabbitmq": {
                        "uriSecretRef": {"name": "mq", "key": "amqp"},
                        "queue": "job1",
                        "authMechanism": "EXTERNAL",
                        "management": {"url": "https://mq:15671"},
                        "surplusPodTimeoutSeconds": 60,
                        "tls": {
                            "caSecretRef": {"name": "ca"},
                            "clientCertificateSecretRef": {"name": "client"},
                            "serverName": "mq.prod",
                            "verification": "None",
                        },
                    }
                },
                itemsPerPod=3,
                jobMetadata={"labels": {"kueue.x-k8s.io/queue-name": "q"}},
            )
        )
    )

    assert WorkQueueJob.from_manifest(job.to_manifest()) == job
    assert job.spec.queue.rabbitmq is not None
    assert job.spec.queue.rabbitmq.auth_mechanism is AuthMechanism.EXTERNAL


def test_spec_with_a_worker_comes_back_from_its_manifest() -> None:
    queue = {
        "redis": {
            "sentinel": {"masterName": "mymaster", "addresses": ["a:26379", "b.ns:26379"]},
            "database": 3,
            "credentialsSecretRef": {"name": "redis", "usernameKey": "user"},
            "stream": {"key": "job3", "consumerGroup": "workers"},
            "leaseSeconds": 60,
        }
    }
    spec = WorkQueueJobSpec.from_manifest(
        build_spec(
            queue=queue,
            mode="Fine",
            worker={
                "source": "Image",
                "containerName": "worker",
                "delivery": {"type": "Environment", "variable": "LINE"},
                "itemTimeoutSeconds": 600,
                "concurrency": 8,
            },
            retry={"maxAttempts": 1, "deadLetter": {"name": "bad"}},
            failurePolicy={"maxDeadLettered": "5%"},
        )
    )

    assert WorkQueueJobSpec.from_manifest(spec.to_manifest()) == spec
    assert spec.mode is Mode.FINE
    assert spec.to_manifest()["failurePolicy"] == {"maxDeadLettered": "5%", "minSettledItems": 20}


def test_queues_can_be_compared_and_used_as_keys() -> None:
    assert len({build_rabbitmq(), build_rabbitmq(), build_rabbitmq(port=5673)}) == 2


def test_models_can_not_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        build_rabbitmq().port = 1  # type: ignore[misc]  # what is tested


def test_status_writes_what_is_known_and_nothing_else() -> None:
    status = WorkQueueJobStatus(waves=0, last_decision=Decision(time=NOON, message="nothing"))

    assert status.to_manifest() == {
        "conditions": [],
        "jobs": [],
        "waves": 0,
        "lastDecision": {"time": "2026-11-21T12:00:00Z", "message": "nothing"},
    }


@pytest.mark.parametrize(
    "moment",
    [
        NOON.replace(microsecond=999_999),
        NOON.astimezone(timezone(timedelta(hours=2))),
    ],
)
def test_times_are_written_as_whole_seconds_of_utc(moment: datetime) -> None:
    assert WorkQueueJobStatus(start_time=moment).to_manifest()["startTime"] == (
        "2026-11-21T12:00:00Z"
    )


def test_status_read_back_equals_the_status_that_was_written() -> None:
    status = WorkQueueJobStatus(start_time=NOON.replace(microsecond=123_456))

    assert WorkQueueJobStatus.from_manifest(status.to_manifest()) == status


def test_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValidationError, match="timezone"):
        WorkQueueJobStatus(start_time=datetime(2026, 11, 21))  # noqa: DTZ001 (what is tested)


def test_message_that_is_too_long_for_the_api_server_is_cut() -> None:
    condition = Condition(
        type="Progressing",
        status=ConditionStatus.TRUE,
        last_transition_time=NOON,
        reason="Working",
        message="x" * 40_000,
    )

    assert len(condition.message) == 32_768
    assert condition.message.endswith("x…")
    assert Condition.from_manifest(condition.to_manifest()) == condition


def test_condition_is_written_in_the_form_of_metav1() -> None:
    condition = Condition(
        type="Complete",
        status=ConditionStatus.TRUE,
        observed_generation=3,
        last_transition_time=NOON,
        reason="Drained",
        message="the queue is empty",
    )

    assert condition.to_manifest() == {
        "type": "Complete",
        "status": "True",
        "observedGeneration": 3,
        "lastTransitionTime": "2026-11-21T12:00:00Z",
        "reason": "Drained",
        "message": "the queue is empty",
    }


def test_models_share_the_set_of_their_fields_and_a_copy_has_its_own() -> None:
    first, second = (WorkQueueJobStatus(waves=number) for number in (1, 2))
    assert first.model_fields_set is second.model_fields_set

    changed = first.model_copy(update={"waves_without_progress": 1})

    assert changed.model_fields_set == {"waves", "waves_without_progress"}
    assert second.model_fields_set == {"waves"}
