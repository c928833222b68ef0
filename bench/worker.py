#!/usr/bin/env python3
"""Measure how fast the worker settles items, as a ratio to a bare loop of the client library.

Both take and settle the same items one by one, with the same prefetch, from the same broker on this
machine. They take turns, each in its own process. Above 1 the worker is faster: in items a second
of wall time, and in items a second of processor time (user and system, with the commands'), which
says more on a machine that does other things as well. Only wall time includes the broker's work. A
ratio is the median over the pairs. Run it as `.venv/bin/python -m bench.worker`; it takes about ten
minutes.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import quote

import pika
from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import NewTopic

from dev.servers.kafka import KafkaServer, running_kafka
from dev.servers.rabbitmq import ADMIN, running_rabbitmq
from dev.servers.redis import running_redis
from workqueuejob.brokers.kafka.settings import KafkaSource
from workqueuejob.brokers.rabbitmq.settings import RabbitMQSource
from workqueuejob.brokers.redis.settings import RedisSource
from workqueuejob.contract.settings import Source, WorkerSettings, write_settings

QUEUE = "bench"
KAFKA_PARTITIONS = 3
_KAFKA_DIVISOR = 5
"""Of the number of items: Kafka gets fewer, because each waits milliseconds for its commit."""


@dataclass(frozen=True, slots=True)
class Bench:
    """One broker: how to reach it, and how to put items into its queue."""

    title: str
    url: str
    source: Source
    fill: Callable[[int], None]
    message_path: Path

    def environment(self, items: int, *, concurrency: int = 1) -> Mapping[str, str]:
        """Return the environment variables of a process that works on so many items."""
        settings = WorkerSettings(
            source=self.source,
            quota=items,
            run="bench",
            concurrency=concurrency,
            # As in a pod, where it is written for every item.
            termination_message_path=str(self.message_path),
        )
        return {
            **os.environ,
            **write_settings(settings),
            "WQJ_BROKER_URI": self.url,
            "BROKER_URL": self.url,
            "QUEUE": QUEUE,
            "BENCH_ITEMS": str(items),
        }


_ITEMS_OF_A_SHORT_RUN = 100
"""So few that the run's time is mostly that of its start."""


@dataclass(frozen=True, slots=True)
class Rates:
    """Items a second of each kind of time."""

    wall: float
    processor: float


def main() -> None:
    """Print one line a comparison."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--items", type=int, default=10000, help="for the library")
    parser.add_argument("--commands", type=int, default=3000, help="items for `run -- true`")
    parser.add_argument("--pairs", type=int, default=5)
    options = parser.parse_args()
    run = [sys.executable, "-m", "workqueuejob.worker", "run", "--", "true"]
    with running_brokers() as benches:
        for bench in benches:
            is_kafka = isinstance(bench.source, KafkaSource)
            divisor = _KAFKA_DIVISOR if is_kafka else 1
            # Kafka's client decides itself how much it fetches.
            for prefetch in (1,) if is_kafka else (1, 20):
                title = f"library, prefetch {prefetch}"
                loops = Commands(_loop("bare", prefetch), _loop("library", prefetch))
                _compare(title, options.pairs, bench, options.items // divisor, loops)
            runs = Commands(_loop("commands", 1), run)
            _compare("run -- true", options.pairs, bench, options.commands // divisor, runs)


@dataclass(frozen=True, slots=True)
class Commands:
    """The command lines of two processes that do the same, to be compared."""

    bare: list[str]
    worker: list[str]


def _compare(title: str, pairs: int, bench: Bench, items: int, commands: Commands) -> None:
    bare_rates: list[Rates] = []
    worker_rates: list[Rates] = []
    for number in range(pairs):
        # In turns, because the second of two may profit from what the first leaves behind.
        turns = [(commands.bare, bare_rates), (commands.worker, worker_rates)]
        for command, rates in turns if number % 2 else reversed(turns):
            rates.append(_measure(bench, items, command))
    both = list(zip(worker_rates, bare_rates, strict=True))
    wall = [worker.wall / bare.wall for worker, bare in both]
    processor = [worker.processor / bare.processor for worker, bare in both]
    print(
        f"{bench.title:<11} {title:<21}"
        f" bare {statistics.median(rate.wall for rate in bare_rates):6.0f}/s"
        f"  worker {statistics.median(rate.wall for rate in worker_rates):6.0f}/s"
        f"  wall {_describe(wall)}  processor {_describe(processor)}",
        flush=True,
    )


def _describe(ratios: list[float]) -> str:
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})"


def _measure(bench: Bench, items: int, command: list[str]) -> Rates:
    """Return the rate of a loop, or of a process that runs commands, without its start.

    A loop prints the seconds of its items. A process that runs commands prints nothing, so the time
    of a short run is subtracted, and with it the start. `bench.injection` measures starts.
    """
    wall, processor = _run(bench, items, command)
    if command[-1] == "true" or "commands" in command:
        start_wall, start_processor = _run(bench, _ITEMS_OF_A_SHORT_RUN, command)
        items -= _ITEMS_OF_A_SHORT_RUN
        wall, processor = wall - start_wall, processor - start_processor
    return Rates(items / wall, items / processor)


def _run(bench: Bench, items: int, command: list[str]) -> tuple[float, float]:
    """Return the seconds of wall time and of processor time."""
    bench.fill(items)
    started, before = time.perf_counter(), _used()
    with subprocess.Popen(
        command,
        env=bench.environment(items),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        printed, errors = process.communicate()
    used = _used() - before
    if process.returncode:
        raise RuntimeError(f"{command} ended with {process.returncode}: {errors}")
    if not printed:
        return time.perf_counter() - started, used
    wall, processor = map(float, printed.split())
    return wall, processor


def _used() -> float:
    """Return the processor's seconds of child processes that have ended, and of their children."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _loop(kind: str, prefetch: int) -> list[str]:
    loops = Path(__file__).with_name("worker_loops.py")
    return [sys.executable, str(loops), kind, str(prefetch)]


@contextmanager
def running_brokers() -> Iterator[list[Bench]]:
    """Start a RabbitMQ, a Redis and a Kafka; yield a bench for each."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (directory / "rabbitmq").mkdir()
        message = directory / "termination-log"
        message.touch()
        rabbitmq = stack.enter_context(running_rabbitmq(directory / "rabbitmq"))
        redis = stack.enter_context(running_redis(directory / "redis"))
        kafka = stack.enter_context(running_kafka(directory / "kafka"))
        name, password = ADMIN
        amqp = f"amqp://{name}:{quote(password, safe='')}@127.0.0.1:{rabbitmq.ports.amqp}"

        def fill_rabbitmq(items: int) -> None:
            with pika.BlockingConnection(pika.URLParameters(amqp)) as connection:
                channel = connection.channel()
                channel.queue_declare(QUEUE, durable=True)
                for number in range(items):
                    channel.basic_publish("", QUEUE, b"item-%d" % number)
                # The broker answers when all items are in the queue.
                channel.queue_declare(QUEUE, durable=True)

        def fill_redis(items: int) -> None:
            with redis.client() as client:
                client.rpush(QUEUE, *(f"item-{number}" for number in range(items)))

        servers = (kafka.bootstrap,)
        yield [
            Bench("RabbitMQ", amqp, RabbitMQSource(QUEUE), fill_rabbitmq, message),
            Bench("Redis list", f"redis://127.0.0.1:{redis.port}/0", RedisSource(QUEUE),
                  fill_redis, message),
            Bench("Kafka", f"kafka://{kafka.bootstrap}", KafkaSource(servers, QUEUE, QUEUE),
                  partial(_fill_kafka, kafka), message),
        ]  # fmt: skip


def _fill_kafka(kafka: KafkaServer, items: int) -> None:
    """Make the topic with just these items, and without its former consumer group."""
    admin = kafka.admin()
    with suppress(KafkaException):
        admin.delete_consumer_groups([QUEUE])[QUEUE].result(10)
    if QUEUE in admin.list_topics(timeout=10).topics:
        admin.delete_topics([QUEUE])[QUEUE].result(10)
        # The deletion takes a moment, in which no topic of that name can be made.
        while QUEUE in admin.list_topics(timeout=10).topics:
            time.sleep(0.05)
    admin.create_topics([NewTopic(QUEUE, KAFKA_PARTITIONS, 1)])[QUEUE].result(10)
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    for number in range(items):
        producer.produce(QUEUE, b"item-%d" % number, partition=number % KAFKA_PARTITIONS)
        producer.poll(0)
    producer.flush(60)


if __name__ == "__main__":
    main()
