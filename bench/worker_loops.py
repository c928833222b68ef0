"""The loops that `bench.worker` compares, for BENCH_ITEMS items; the first two print their seconds.

bare      the client library: take an item, settle it
library   the same by `workqueuejob.worker`
commands  the client library, with `subprocess.run(["true"])` for each item
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable

import pika
import redis

ITEMS = int(os.environ["BENCH_ITEMS"])
URL, QUEUE = os.environ["BROKER_URL"], os.environ["QUEUE"]

Work = Callable[[bytes], object]


def loop_over_rabbitmq(work: Work, prefetch: int) -> None:
    """Consume and acknowledge, as RabbitMQ's own tutorial for work queues does."""
    channel = pika.BlockingConnection(pika.URLParameters(URL)).channel()
    channel.basic_qos(prefetch_count=prefetch)
    for done, (method, _properties, body) in enumerate(channel.consume(QUEUE), start=1):
        work(body)
        channel.basic_ack(method.delivery_tag)
        if done == ITEMS:
            break
    channel.connection.close()


def loop_over_redis(work: Work, prefetch: int) -> None:
    """Move an item aside and remove it when it is done, the reliable queue of Redis' documents."""
    client = redis.Redis.from_url(URL)
    processing = f"{QUEUE}:processing"
    done = 0
    while done < ITEMS:
        with client.pipeline(transaction=False) as pipeline:
            for _ in range(min(prefetch, ITEMS - done)):
                pipeline.lmove(QUEUE, processing, "LEFT", "RIGHT")
            taken = pipeline.execute()
        for body in taken:
            work(body)
            client.lrem(processing, 1, body)
            done += 1


def loop_over_library(prefetch: int) -> None:
    """Do the same by the library."""
    from workqueuejob.worker import Worker

    for item in Worker(prefetch=prefetch):
        with item:
            item.body  # noqa: B018 - all the work there is


def main() -> None:
    """Time one loop."""
    kind, prefetch = sys.argv[1], int(sys.argv[2])
    bare = loop_over_redis if URL.startswith("redis") else loop_over_rabbitmq
    started = time.perf_counter()
    if kind == "library":
        loop_over_library(prefetch)
    elif kind == "commands":
        bare(lambda body: subprocess.run(["true"], input=body, check=True), prefetch)
    else:
        bare(len, prefetch)
    if kind != "commands":
        print(time.perf_counter() - started)


if __name__ == "__main__":
    main()
