"""What our worker is told, and how it reads it."""

from typing import Any

import pytest

from tests.builders import UID, a_template, a_work_queue_job, a_worker_spec
from workqueuejob.api import WorkQueueJob
from workqueuejob.brokers.kafka.settings import KafkaSource
from workqueuejob.brokers.rabbitmq.settings import RabbitMQSource
from workqueuejob.brokers.redis.settings import RedisSource
from workqueuejob.brokers.retries import build_retry
from workqueuejob.brokers.worker_settings import read_settings
from workqueuejob.contract.retry import RetrySettings
from workqueuejob.contract.settings import DeliverySettings, TLSChoice, WorkerSettings
from workqueuejob.planning.pods.worker_environment import build_worker_environment

CERTIFICATES = {
    "ca_secret_ref": {"name": "ca", "key": "ca.pem"},
    "client_certificate_secret_ref": {"name": "client"},
}


def environment_of(resource: WorkQueueJob, **container: Any) -> dict[str, Any]:
    variables = build_worker_environment(resource, {"name": "worker", **container})
    return {v["name"]: v.get("value", v.get("valueFrom")) for v in variables}


def settings_of(resource: WorkQueueJob, **container: Any) -> WorkerSettings:
    variables = build_worker_environment(resource, {"name": "worker", **container})
    return read_settings(
        {v["name"]: v["value"].replace("$$", "$") for v in variables if "value" in v}
    )


def a_redis_worker(worker: dict[str, Any] | None = None, **fields: Any) -> WorkQueueJob:
    spec = {name: fields.pop(name) for name in ("mode", "retry", "template") if name in fields}
    return a_work_queue_job(redis=fields, worker={"source": "Image"} | (worker or {}), **spec)


def test_worker_of_a_rabbitmq_queue_reads_back_what_the_spec_says() -> None:
    rabbitmq = {"port": 5673, "vhost": "shop", "consumer_timeout_seconds": 60}
    assert settings_of(a_work_queue_job(rabbitmq=rabbitmq, **a_worker_spec())) == WorkerSettings(
        source=RabbitMQSource(
            queue="job1", host="mq", port=5673, virtual_host="shop", consumer_timeout_seconds=60
        ),
        retry=RetrySettings(dead_letter="job1-dead"),
        run=UID,
        quota=1,
    )


def test_worker_of_a_warm_pod_is_told_to_wait() -> None:
    resource, container = a_redis_worker(mode="Fine"), {"name": "worker"}
    for is_warm in (False, True):
        variables = build_worker_environment(resource, container, is_warm=is_warm)
        (text,) = (v["value"] for v in variables if v["name"] == "WQJ_SETTINGS")
        assert read_settings({"WQJ_SETTINGS": text}).waits_for_first is is_warm


def test_worker_of_a_redis_list_reads_back_what_the_spec_says() -> None:
    resource = a_redis_worker(port=6380, database=2, lease_seconds=60, mode="Fine")
    assert settings_of(resource) == WorkerSettings(
        source=RedisSource(key="job2", host="redis", port=6380, database=2, lease_seconds=60),
        retry=RetrySettings(dead_letter="{job2}:dead"),
        run=UID,
    )


def test_worker_of_a_stream_knows_its_group() -> None:
    source = settings_of(a_redis_worker(stream={"key": "s", "consumer_group": "g"})).source
    assert source == RedisSource(key="s", consumer_group="g", host="redis")


def test_worker_of_a_topic_reads_back_what_the_spec_says() -> None:
    sasl = {"mechanism": "SCRAM-SHA-512", "credentials_secret_ref": {"name": "login"}}
    kafka = {"bootstrap_servers": ["a:9092", "b:9092"], "sasl": sasl, "tls": {}}
    resource = a_work_queue_job(kafka=kafka, **a_worker_spec())
    assert settings_of(resource) == WorkerSettings(
        source=KafkaSource(
            bootstrap_servers=("a:9092", "b:9092"),
            topic="orders",
            consumer_group="billing",
            sasl_mechanism="SCRAM-SHA-512",
        ),
        retry=RetrySettings(dead_letter="job1-dead"),
        tls=TLSChoice(),
        run=UID,
    )


def test_login_of_a_topic_comes_from_its_secret() -> None:
    sasl = {"mechanism": "PLAIN", "username": "ann", "credentials_secret_ref": {"name": "login"}}
    found = environment_of(a_work_queue_job(kafka={"sasl": sasl}, **a_worker_spec()))
    assert found["WQJ_BROKER_USERNAME"] == "ann"
    assert found["WQJ_BROKER_PASSWORD"] == {"secretKeyRef": {"name": "login", "key": "password"}}


def test_worker_knows_the_sentinels() -> None:
    sentinel = {"master_name": "mymaster", "addresses": ["a:26379", "b:26379"]}
    source = settings_of(a_redis_worker(host=None, sentinel=sentinel)).source
    assert isinstance(source, RedisSource)
    assert source.sentinel_master == "mymaster"
    assert source.sentinel_addresses == ("a:26379", "b:26379")


@pytest.mark.parametrize(
    ("spec", "quota"),
    [({}, 1), ({"items_per_pod": 10}, 10), ({"mode": "Fine"}, None)],
    ids=["Coarse", "several items", "Fine"],
)
def test_only_a_coarse_worker_has_a_quota(spec: dict[str, Any], quota: int | None) -> None:
    assert settings_of(a_work_queue_job(**a_worker_spec(**spec))).quota == quota


@pytest.mark.parametrize(
    ("worker", "field", "value"),
    [
        ({}, "delivery", DeliverySettings("Stdin")),
        (
            {"delivery": {"type": "Environment", "variable": "FRUIT"}},
            "delivery",
            DeliverySettings("Environment", "FRUIT"),
        ),
        (
            {"delivery": {"envelopeFile": True}},
            "delivery",
            DeliverySettings(envelope_file=True),
        ),
        ({}, "item_timeout_seconds", None),
        ({"item_timeout_seconds": 90}, "item_timeout_seconds", 90),
        ({}, "concurrency", 1),
        ({"concurrency": 8}, "concurrency", 8),
    ],
)
def test_worker_runs_its_command_as_asked(worker: dict[str, Any], field: str, value: Any) -> None:
    assert getattr(settings_of(a_redis_worker(worker)), field) == value


def test_worker_knows_its_pods_grace_and_its_containers_termination_message() -> None:
    template = a_template(terminationGracePeriodSeconds=600)
    settings = settings_of(a_redis_worker(template=template), terminationMessagePath="/wqj/end")
    assert (settings.grace_seconds, settings.termination_message_path) == (600, "/wqj/end")


@pytest.mark.parametrize(
    ("grace", "hook", "left"),
    [
        (60, {"sleep": {"seconds": 20}}, 40),
        (60, {"sleep": {"seconds": 70}}, 2),
        (1, {"sleep": {"seconds": 1}}, 1),
        (60, {"exec": {"command": ["sleep", "20"]}}, 60),
    ],
)
def test_time_that_a_hook_sleeps_before_sigterm_is_no_grace(
    grace: int, hook: dict[str, Any], left: int
) -> None:
    resource = a_redis_worker(template=a_template(terminationGracePeriodSeconds=grace))
    assert settings_of(resource, lifecycle={"preStop": hook}).grace_seconds == left


def test_settings_hold_no_reference_that_the_kubelet_would_resolve() -> None:
    stream = {"key": "$(HOME)", "consumer_group": "g"}
    resource = a_redis_worker(stream=stream)
    assert "$$(HOME)" in environment_of(resource)["WQJ_SETTINGS"]
    assert isinstance(settings_of(resource).source, RedisSource)


@pytest.mark.parametrize("key", ["a$$b", "$$$(HOME)", "$", "$(", "5$"])
def test_dollars_of_a_queues_name_are_the_kubelets_to_halve(key: str) -> None:
    source = settings_of(a_redis_worker(list={"key": key})).source
    assert isinstance(source, RedisSource)
    assert source.key == key


def test_secrets_stay_references() -> None:
    reference = {"name": "login", "username_key": "user"}
    found = environment_of(a_redis_worker(credentials_secret_ref=reference, tls=CERTIFICATES))
    assert {name: value for name, value in found.items() if name != "WQJ_SETTINGS"} == {
        "WQJ_POD_NAME": {"fieldRef": {"fieldPath": "metadata.name"}},
        "WQJ_BROKER_USERNAME": {"secretKeyRef": {"name": "login", "key": "user"}},
        "WQJ_BROKER_PASSWORD": {"secretKeyRef": {"name": "login", "key": "password"}},
        "WQJ_TLS_CA": {"secretKeyRef": {"name": "ca", "key": "ca.pem"}},
        "WQJ_TLS_CERTIFICATE": {"secretKeyRef": {"name": "client", "key": "tls.crt"}},
        "WQJ_TLS_PRIVATE_KEY": {"secretKeyRef": {"name": "client", "key": "tls.key"}},
    }


def test_whole_uri_takes_the_place_of_credentials() -> None:
    resource = a_redis_worker(host=None, uri_secret_ref={"name": "r", "key": "uri"})
    found = environment_of(resource)
    assert found["WQJ_BROKER_URI"] == {"secretKeyRef": {"name": "r", "key": "uri"}}
    assert "WQJ_BROKER_PASSWORD" not in found


@pytest.mark.parametrize(
    ("tls", "choice"),
    [
        (None, None),
        ({}, TLSChoice()),
        ({"server_name": "mq.shop"}, TLSChoice(server_name="mq.shop")),
        ({"verification": "None"}, TLSChoice(verify=False)),
    ],
)
def test_worker_verifies_the_broker_as_asked(
    tls: dict[str, Any] | None, choice: TLSChoice | None
) -> None:
    assert settings_of(a_redis_worker(tls=tls)).tls == choice


@pytest.mark.parametrize(
    ("resource", "target"),
    [
        (a_redis_worker(), "{job2}:dead"),
        (a_redis_worker(retry={"dead_letter": {"name": "bad"}}), "bad"),
        (a_redis_worker(retry={"on_exhausted": "Discard"}), None),
        (a_work_queue_job(**a_worker_spec()), "job1-dead"),
    ],
)
def test_last_attempts_items_go_where_the_spec_says(
    resource: WorkQueueJob, target: str | None
) -> None:
    assert build_retry(resource.spec).dead_letter == target


def test_worker_tries_as_often_as_asked() -> None:
    retry = {"max_attempts": 5, "initial_delay_seconds": 2, "max_delay_seconds": 9}
    found = settings_of(a_redis_worker(retry=retry)).retry
    assert found == RetrySettings(5, 2, 9, "{job2}:dead")


def test_worker_learns_what_a_failure_means() -> None:
    retry = {"max_lost_attempts": 4, "permanent_exit_codes": (65, 66)}
    found = settings_of(a_redis_worker(retry=retry)).retry
    assert (found.max_lost_attempts, found.permanent_exit_codes) == (4, (65, 66))


def test_worker_learns_when_its_command_is_to_get_the_signal() -> None:
    worker = {"source": "Image", "stop_signal": "AtOnce"}
    assert settings_of(a_redis_worker(worker=worker)).stop_signal == "AtOnce"
    assert settings_of(a_redis_worker()).stop_signal == "AtEndOfGrace"
