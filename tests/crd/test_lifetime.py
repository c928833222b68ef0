"""What may change during a run, and what not: it is another queue, or another way to work on it."""

import pytest

from .api_server import ApiServer, Create, Refused
from .manifests import SENTINEL, Manifest, kafka, merged, rabbitmq, redis, spec, warm, worked

pytestmark = pytest.mark.apiserver

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


STREAM: Manifest = {"stream": {"key": "job3", "consumerGroup": "workers"}}
REDIS_URI = {"host": None, "uriSecretRef": {"name": "redis"}}


def change_redis(**changes: object) -> Manifest:
    return {"spec": {"queue": {"redis": changes}}}


@pytest.mark.parametrize(
    ("before", "change", "field"),
    [
        pytest.param(redis(), {"list": {"key": "other"}}, "list.key", id="the list"),
        pytest.param(redis(STREAM), {"stream": {"key": "other"}}, "stream.key", id="the stream"),
        pytest.param(
            redis(STREAM),
            {"stream": {"consumerGroup": "other"}},
            "stream.consumerGroup",
            id="the consumer group",
        ),
        pytest.param(redis(database=1), {"database": 2}, "database", id="the database"),
        pytest.param(redis(), {"database": 1}, "database", id="a database where none was"),
        pytest.param(redis(database=1), {"database": None}, "database", id="no database"),
    ],
)
def test_which_key_it_is_can_not_be_changed_to(
    api_server: ApiServer, create: Create, before: Manifest, change: Manifest, field: str
) -> None:
    name = create(before)

    with pytest.raises(Refused) as refused:
        api_server.patch(name, change_redis(**change))

    ((where, message),) = refused.value.causes
    assert where == f"spec.queue.redis.{field}"
    assert (
        f"{field.rsplit('.', maxsplit=1)[-1]} is immutable; create another WorkQueueJob" in message
    )


@pytest.mark.parametrize(
    ("before", "change"),
    [
        pytest.param(redis(), change_redis(list=None, **STREAM), id="a list to a stream"),
        pytest.param(
            redis(STREAM), change_redis(list={"key": "a"}, stream=None), id="a stream to a list"
        ),
    ],
)
def test_kind_of_key_can_not_be_changed(
    api_server: ApiServer, create: Create, before: Manifest, change: Manifest
) -> None:
    name = create(before)

    with pytest.raises(Refused, match=r"the kind of redis, list or stream, is immutable"):
        api_server.patch(name, change)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        pytest.param({"topic": "other"}, "topic", id="the topic"),
        pytest.param({"consumerGroup": "other"}, "consumerGroup", id="the group"),
        pytest.param({"startFrom": "Latest"}, "startFrom", id="where it starts"),
    ],
)
def test_which_topic_it_is_can_not_be_changed_to(
    api_server: ApiServer, create: Create, change: Manifest, field: str
) -> None:
    name = create(merged(kafka(), spec(runPolicy="Continuous")))

    with pytest.raises(Refused) as refused:
        api_server.patch(name, {"spec": {"queue": {"kafka": change}}})

    ((where, message),) = refused.value.causes
    assert where == f"spec.queue.kafka.{field}"
    assert f"{field} is immutable; create another WorkQueueJob" in message


def test_run_from_the_end_on_may_wind_down(api_server: ApiServer, create: Create) -> None:
    name = create(merged(kafka(startFrom="Latest"), spec(runPolicy="Continuous")))

    api_server.patch(name, spec(runPolicy="UntilDrained"))


def test_way_to_a_topic_can_be_changed(api_server: ApiServer, create: Create) -> None:
    name = create(kafka())

    login = {"mechanism": "PLAIN", "username": "u", "credentialsSecretRef": {"name": "kafka"}}
    change = {"bootstrapServers": ["other:9092"], "sasl": login, "tls": {}}
    api_server.patch(name, {"spec": {"queue": {"kafka": change}}})


@pytest.mark.parametrize(
    ("before", "change"),
    [
        pytest.param({}, {"spec": {"queue": {"rabbitmq": None}}}, id="none"),
        pytest.param(spec(mode="Fine"), kafka(), id="RabbitMQ to Kafka"),
        pytest.param(
            kafka(),
            {"spec": {"queue": {"kafka": None, "redis": {"host": "r", "list": {"key": "a"}}}}},
            id="Kafka to Redis",
        ),
        pytest.param({}, redis(), id="RabbitMQ to Redis"),
        pytest.param(
            redis(),
            {"spec": {"queue": {"redis": None, "rabbitmq": {"host": "mq", "queue": "job1"}}}},
            id="Redis to RabbitMQ",
        ),
    ],
)
def test_kind_of_the_queue_can_not_be_changed(
    api_server: ApiServer, create: Create, before: Manifest, change: Manifest
) -> None:
    name = create(before)

    with pytest.raises(Refused, match=r"the kind of spec\.queue is immutable"):
        api_server.patch(name, change)


@pytest.mark.parametrize(
    ("before", "after"), [({}, "Fine"), (spec(mode="Fine"), "Coarse"), (spec(mode="Fine"), None)]
)
def test_mode_can_not_be_changed(
    api_server: ApiServer, create: Create, before: Manifest, after: str | None
) -> None:
    name = create(before)

    with pytest.raises(Refused) as refused:
        api_server.patch(name, spec(mode=after))

    ((where, message),) = refused.value.causes
    assert where == "spec.mode"
    assert "mode is immutable; create another WorkQueueJob" in message


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
        pytest.param(worked(), id="a worker where none was"),
    ],
)
def test_how_it_is_worked_on_can_be_changed(
    api_server: ApiServer, create: Create, change: Manifest
) -> None:
    assert api_server.patch(create({}), change)["metadata"]["generation"] == 2


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(change_redis(host="redis-2", port=6380), id="the host"),
        pytest.param(change_redis(**REDIS_URI), id="a URI instead of a host"),
        pytest.param(change_redis(host=None, sentinel=SENTINEL), id="Sentinel instead of a host"),
        pytest.param(change_redis(credentialsSecretRef={"name": "new"}), id="the credentials"),
        pytest.param(change_redis(tls={}), id="TLS"),
        pytest.param(change_redis(leaseSeconds=60), id="the lease"),
        pytest.param(spec(worker={"source": "Image"}), id="where the worker comes from"),
        pytest.param(spec(retry={"maxAttempts": 9}), id="the retries"),
        pytest.param(spec(retry={"deadLetter": {"name": "dead"}}), id="the dead-letter target"),
        pytest.param(spec(failurePolicy={"maxDeadLettered": "5%"}), id="when to give up"),
        pytest.param(spec(worker=None), id="no worker any more"),
    ],
)
def test_how_our_worker_works_can_be_changed(
    api_server: ApiServer, create: Create, change: Manifest
) -> None:
    assert api_server.patch(create(worked(redis())), change)["metadata"]["generation"] == 2


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(spec(runPolicy="UntilDrained"), id="it winds down"),
        pytest.param(spec(parallelism=0), id="it is scaled to zero"),
        pytest.param(spec(autoscale={"minParallelism": 4}), id="more pods are kept"),
        pytest.param(spec(autoscale=None), id="none is kept any more"),
    ],
)
def test_run_that_keeps_pods_can_be_changed_by_one_field(
    api_server: ApiServer, create: Create, change: Manifest
) -> None:
    assert api_server.patch(create(warm(redis())), change)["metadata"]["generation"] == 2


def test_run_can_not_be_scaled_below_the_pods_that_it_keeps(
    api_server: ApiServer, create: Create
) -> None:
    with pytest.raises(Refused) as refused:
        api_server.patch(create(warm(redis())), spec(parallelism=1))

    ((where, message),) = refused.value.causes
    assert where == "spec.autoscale.minParallelism"
    assert "minParallelism must be at most parallelism; lower it, or raise parallelism" in message
