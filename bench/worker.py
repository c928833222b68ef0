#!/usr/bin/env python3
"""How many items a second the worker settles, as a ratio to a bare loop of the client library.

Both take and settle the same items, with as many of them fetched at once, from the same broker on
this machine, one right after the other, each in a process of its own. A ratio above 1 is faster
than the bare loop. Run it as `.venv/bin/python -m bench.worker`; it takes about two minutes.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pika

from tests.rabbitmq_server import ADMIN, running_rabbitmq
from tests.redis_server import running_redis
from workqueuejob.protocol.settings import (
    SETTINGS,
    RabbitMQSource,
    RedisSource,
    WorkerSettings,
    write_settings,
)

QUEUE = "bench"


@dataclass(frozen=True, slots=True)
class Bench:
    """One broker: how to reach it, and how to put items into its queue."""

    title: str
    url: str
    source: RabbitMQSource | RedisSource
    fill: Callable[[int], None]

    def environment(self, items: int) -> Mapping[str, str]:
        """Return what both loops find in their environment."""
        settings = WorkerSettings(source=self.source, quota=items, run="bench")
        return {
            **os.environ,
            SETTINGS: write_settings(settings),
            "WQJ_BROKER_URI": self.url,
            "BROKER_URL": self.url,
            "QUEUE": QUEUE,
            "BENCH_ITEMS": str(items),
        }


def main() -> None:
    """Print one line a comparison: medians, and the median of the ratios of the pairs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--items", type=int, default=4000, help="for the library")
    parser.add_argument("--commands", type=int, default=400, help="items for `run -- true`")
    parser.add_argument("--pairs", type=int, default=5)
    options = parser.parse_args()
    with _brokers() as benches:
        for bench in benches:
            for prefetch in (1, 20):
                _compare(f"library, prefetch {prefetch}", bench, options.items, options.pairs,
                         _loop("bare", prefetch), _loop("library", prefetch))  # fmt: skip
            _compare("run -- true", bench, options.commands, options.pairs,
                     _loop("commands", 1), [_python(), "-m", "workqueuejob.worker", "run", "--",
                                            "true"])  # fmt: skip


def _compare(
    title: str, bench: Bench, items: int, pairs: int, bare: list[str], ours: list[str]
) -> None:
    rates = [(_measure(bench, items, bare), _measure(bench, items, ours)) for _ in range(pairs)]
    ratios = [our / their for their, our in rates]
    their, our = (statistics.median(rate) for rate in zip(*rates, strict=True))
    print(
        f"{bench.title:<15} {title:<22} bare {their:8.0f}/s  worker {our:8.0f}/s"
        f"  ratio {statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})",
        flush=True,
    )


def _measure(bench: Bench, items: int, command: list[str]) -> float:
    """Return items a second."""
    bench.fill(items)
    started = time.perf_counter()
    done = subprocess.run(
        command, env=bench.environment(items), check=True, stdout=subprocess.PIPE, text=True
    )
    # Who runs commands says nothing: there the start of the process counts, on both sides.
    seconds = float(done.stdout or time.perf_counter() - started)
    return items / seconds


def _loop(kind: str, prefetch: int) -> list[str]:
    return [_python(), str(Path(__file__).with_name("worker_loops.py")), kind, str(prefetch)]


def _python() -> str:
    return sys.executable


@contextmanager
def _brokers() -> Iterator[list[Bench]]:
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (directory / "rabbitmq").mkdir()
        rabbitmq = stack.enter_context(running_rabbitmq(directory / "rabbitmq"))
        redis = stack.enter_context(running_redis(directory / "redis"))
        name, password = ADMIN
        amqp = f"amqp://{name}:{quote(password, safe='')}@127.0.0.1:{rabbitmq.ports.amqp}"

        def fill_rabbitmq(items: int) -> None:
            with pika.BlockingConnection(pika.URLParameters(amqp)) as connection:
                channel = connection.channel()
                channel.queue_declare(QUEUE, durable=True)
                channel.confirm_delivery()
                for number in range(items):
                    channel.basic_publish("", QUEUE, b"item-%d" % number)

        def fill_redis(items: int) -> None:
            with redis.client() as client:
                client.rpush(QUEUE, *(f"item-{number}" for number in range(items)))

        yield [
            Bench("RabbitMQ", amqp, RabbitMQSource(QUEUE), fill_rabbitmq),
            Bench("Redis list", f"redis://127.0.0.1:{redis.port}/0", RedisSource(QUEUE),
                  fill_redis),
        ]  # fmt: skip


if __name__ == "__main__":
    main()
