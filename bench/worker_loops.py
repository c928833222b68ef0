"""The loops that `bench.worker` compares: each takes BENCH_ITEMS items, in its own process.

bare      the client library: take an item, settle it
library   the same by `workqueuejob.worker`
commands  the client library, with `subprocess.run(["true"])` for each item

The first two print the seconds of their loop, of wall time and of processor time, with the
connection and without imports. A loop imports only the client that it uses, as the worker does.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

ITEMS = int(os.environ["BENCH_ITEMS"])
URL, QUEUE = os.environ["BROKER_URL"], os.environ["QUEUE"]

Work = Callable[[bytes], object]
Loop = Callable[[Work, int], None]


def loop_over_rabbitmq() -> Loop:
    """Return a loop that consumes and acknowledges, as RabbitMQ's tutorial of work queues does."""
    import pika

    def loop(work: Work, prefetch: int) -> None:
        channel = pika.BlockingConnection(pika.URLParameters(URL)).channel()
        channel.basic_qos(prefetch_count=prefetch)
        for done, (method, _properties, body) in enumerate(channel.consume(QUEUE), start=1):
            work(body)
            channel.basic_ack(method.delivery_tag)
            if done == ITEMS:
                break
        channel.connection.close()

    return loop


def loop_over_redis() -> Loop:
    """Return a loop of the reliable queue in Redis' documents: move an item, work, remove it."""
    import redis

    processing = f"{QUEUE}:processing"

    def loop(work: Work, prefetch: int) -> None:
        client = redis.Redis.from_url(URL)
        for done in range(0, ITEMS, prefetch):
            for body in take(client, min(prefetch, ITEMS - done)):
                work(body)
                client.lrem(processing, 1, body)

    def take(client: redis.Redis, items: int) -> list[Any]:
        if items == 1:
            return [client.lmove(QUEUE, processing, "LEFT", "RIGHT")]
        with client.pipeline(transaction=False) as pipeline:
            for _ in range(items):
                pipeline.lmove(QUEUE, processing, "LEFT", "RIGHT")
            return pipeline.execute()

    return loop


def loop_over_kafka() -> Loop:
    """Return a loop that polls an item, and commits after it and waits, as at-least-once needs."""
    from confluent_kafka import Consumer, TopicPartition

    def loop(work: Work, _prefetch: int) -> None:
        consumer = Consumer(
            {
                "bootstrap.servers": URL.removeprefix("kafka://"),
                "group.id": QUEUE,
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "auto.offset.reset": "earliest",
                "isolation.level": "read_committed",
                "partition.assignment.strategy": "cooperative-sticky",
            }
        )
        consumer.subscribe([QUEUE])
        done = 0
        while done < ITEMS:
            message = consumer.poll(1)
            if message is None or message.error() is not None:
                continue
            work(message.value() or b"")
            number, offset = message.partition() or 0, message.offset() or 0
            behind = TopicPartition(QUEUE, number, offset + 1)
            consumer.commit(offsets=[behind], asynchronous=False)
            done += 1
        consumer.close()

    return loop


def loop_over_library() -> Loop:
    """Return a loop of `workqueuejob.worker`."""
    from workqueuejob.worker import Worker

    # The worker imports it when it connects. The other loops have imported their client here, too.
    if URL.startswith("redis"):
        import workqueuejob.brokers.redis.broker
    elif URL.startswith("kafka"):
        import workqueuejob.brokers.kafka.broker
    else:
        import workqueuejob.brokers.rabbitmq.broker  # noqa: F401 - see above

    def loop(work: Work, prefetch: int) -> None:
        for item in Worker(prefetch=prefetch):
            with item:
                work(item.body)

    return loop


BARE: dict[str, Callable[[], Loop]] = {
    "amqp": loop_over_rabbitmq,
    "redis": loop_over_redis,
    "kafka": loop_over_kafka,
}


def main() -> None:
    """Time one loop."""
    kind, prefetch = sys.argv[1], int(sys.argv[2])
    bare = BARE[URL.partition(":")[0]]
    loop = loop_over_library() if kind == "library" else bare()
    if kind == "commands":
        loop(lambda body: subprocess.run(["true"], input=body, check=True), prefetch)
        return
    started, used = time.perf_counter(), time.process_time()
    loop(len, prefetch)
    print(time.perf_counter() - started, time.process_time() - used)


if __name__ == "__main__":
    main()
