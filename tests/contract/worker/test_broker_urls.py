"""A worker outside of a pod finds each broker by `BROKER_URL`, `QUEUE` and `CONSUMER_GROUP`."""

import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.contract.worker.bench import Bench
from tests.contract.worker.conftest import open_bench
from tests.contract.worker.kafka_bench import KafkaBench
from tests.contract.worker.rabbitmq_bench import ClassicBench
from tests.contract.worker.redis_bench import RedisListBench, RedisStreamBench

ROOT = Path(__file__).parents[3]


def describe(bench: Bench) -> dict[str, str]:
    """Return the variables that name a bench's queue."""
    if isinstance(bench, KafkaBench):
        url = f"kafka://{bench.server.bootstrap}"
        return name(url, bench.topic, bench.source.consumer_group)
    if isinstance(bench, RedisListBench):
        there = bench.server.connection
        url = f"redis://{there.host}:{there.port}/{there.database}"
        return name(url, bench.key, bench.source.consumer_group)
    assert isinstance(bench, ClassicBench)
    broker = bench.settings()
    username, password, virtual_host = (
        quote(part, safe="") for part in (broker.username, broker.password, broker.virtual_host)
    )
    url = f"amqp://{username}:{password}@{broker.host}:{broker.port}/{virtual_host}"
    return name(url, bench.source.queue, None)


def name(url: str, queue: str, group: str | None) -> dict[str, str]:
    return {"BROKER_URL": url, "QUEUE": queue, **({"CONSUMER_GROUP": group} if group else {})}


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(ClassicBench, marks=pytest.mark.rabbitmq, id="queue"),
        pytest.param(RedisListBench, marks=pytest.mark.redis, id="list"),
        pytest.param(RedisStreamBench, marks=pytest.mark.redis, id="stream"),
        pytest.param(KafkaBench, marks=pytest.mark.kafka, id="topic"),
    ],
)
def test_worker_drains_what_the_url_names(
    kind: type[Bench], request: pytest.FixtureRequest
) -> None:
    bench = open_bench(kind, request)
    bench.produce(b"apple\n", b"banana\n")

    done = subprocess.run(
        [sys.executable, "-m", "workqueuejob.worker", "run", "--", "cat"],
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT / "operator"), **describe(bench)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert (done.returncode, done.stdout) == (0, "apple\nbanana\n"), done.stderr
    assert bench.count_left() == 0
