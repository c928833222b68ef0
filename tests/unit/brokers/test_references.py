"""What is measured for a WorkQueueJob, besides its queue."""

from typing import Any

from tests.builders import NAME, NAMESPACE, UID, a_template
from workqueuejob.api import ObjectMetadata, WorkQueueJob, WorkQueueJobSpec
from workqueuejob.brokers.kafka.reference import KafkaReference
from workqueuejob.brokers.rabbitmq.reference import RabbitMQReference
from workqueuejob.brokers.redis.reference import RedisReference
from workqueuejob.brokers.references import build_reference

WORKER = {"worker": {"source": "Image"}}


def a_resource(queue: dict[str, Any], **spec: Any) -> WorkQueueJob:
    return WorkQueueJob(
        metadata=ObjectMetadata(
            name=NAME, namespace=NAMESPACE, uid=UID, generation=1, resource_version="1"
        ),
        spec=WorkQueueJobSpec.from_manifest({"queue": queue, "template": a_template(), **spec}),
    )


def test_foreign_program_at_rabbitmq_has_its_queue_only() -> None:
    resource = a_resource({"rabbitmq": {"host": "mq", "queue": "job1"}})

    assert build_reference(resource) == RabbitMQReference(queue="job1")


def test_worker_at_rabbitmq_has_a_queue_for_each_delay_and_its_dead_letters() -> None:
    retry = {"maxAttempts": 4, "maxDelaySeconds": 2, "deadLetter": {"name": "dead"}}
    resource = a_resource({"rabbitmq": {"host": "mq", "queue": "job1"}}, retry=retry, **WORKER)

    assert build_reference(resource) == RabbitMQReference(
        queue="job1",
        delay_queues=("job1.wqj-retry-1s", "job1.wqj-retry-2s"),
        dead_letter="dead",
        may_choose_delays=True,
    )


def test_queues_for_chosen_delays_are_not_those_of_the_settings() -> None:
    reference = RabbitMQReference("job1", ("job1.wqj-retry-1s",), may_choose_delays=True)
    chosen = list(reference.list_chosen_delay_queues())
    assert "job1.wqj-retry-2s" in chosen
    assert "job1.wqj-retry-1s" not in chosen
    assert reference.chosen_delays == "job1.wqj-retry-chosen"
    assert RabbitMQReference("job1").chosen_delays is None


def test_foreign_program_at_redis_has_a_processing_list() -> None:
    queue = {"redis": {"host": "redis", "list": {"key": "job2", "processingKey": "doing"}}}

    assert build_reference(a_resource(queue)) == RedisReference(
        key="job2", processing_key="doing", worker=False, lease_seconds=30
    )


def test_worker_at_redis_has_its_runs_counters_and_its_dead_letters() -> None:
    queue = {
        "redis": {
            "host": "redis",
            "leaseSeconds": 10,
            "stream": {"key": "orders", "consumerGroup": "billing"},
        }
    }

    assert build_reference(a_resource(queue, **WORKER)) == RedisReference(
        key="orders",
        consumer_group="billing",
        worker=True,
        dead_letter="{orders}:dead",
        run=UID,
        lease_seconds=10,
    )


KAFKA = {
    "kafka": {"bootstrapServers": ["kafka:9092"], "topic": "orders", "consumerGroup": "billing"}
}


def test_foreign_program_at_kafka_has_its_topic_and_group_only() -> None:
    assert build_reference(a_resource(KAFKA, mode="Fine")) == KafkaReference(
        topic="orders", consumer_group="billing", worker=False
    )


def test_worker_at_kafka_is_known_by_its_run_and_has_its_dead_letters() -> None:
    retry = {"deadLetter": {"name": "orders.dead"}}
    resource = a_resource(KAFKA, mode="Fine", retry=retry, **WORKER)

    assert build_reference(resource) == KafkaReference(
        topic="orders",
        consumer_group="billing",
        worker=True,
        run=UID,
        dead_letter="orders.dead",
    )
