"""Children of a program with the library, which have copies of its connection to a real broker."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from typing import Any, cast

import pytest

from dev.servers.rabbitmq import ADMIN
from tests.contract.worker.bench import Bench
from tests.contract.worker.conftest import ONE_OF_EACH, open_bench
from tests.contract.worker.kafka_bench import KafkaBench
from tests.contract.worker.rabbitmq_bench import DEAD, RabbitMQWorkerBench
from tests.contract.worker.redis_bench import RedisListBench
from tests.contract.worker.test_worker_contract import eventually_left
from workqueuejob.brokers.redis.settings import RedisSource
from workqueuejob.contract import settings as names
from workqueuejob.contract.dead_letters import dead_key
from workqueuejob.contract.retry import RetrySettings
from workqueuejob.contract.settings import Source, WorkerSettings, write_settings

PATIENCE_SECONDS = 120

PROGRAM = """
import multiprocessing, os, signal, sys, time
from workqueuejob.worker import Worker

def in_child(work):
    sys.stdout.flush()
    pid = os.fork()
    if not pid:
        work()
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

def fail():
    raise ValueError("no good")

for item in Worker():
    with item:
        # The worker's thread speaks to the broker at times, and is forked in mid-sentence.
        codes = [in_child(lambda: sys.exit(3)) for _ in range(5)]
        codes += [in_child(fail), in_child(lambda: os._exit(4)), in_child(int)]
        codes += [in_child(lambda: os.kill(os.getpid(), signal.SIGTERM))]
        with multiprocessing.get_context("fork").Pool(2) as pool:
            pool.map(len, ["apple", "fig"])
            pool.apply_async(time.sleep, (600,))
        item.extend()
        print(item.text, codes, flush=True)
"""


DROPPING = """
import gc, os, sys
from workqueuejob.worker import Worker

worker = Worker()
loop = iter(worker)
item = next(loop)
sys.stdout.flush()
pid = os.fork()
if not pid:
    del worker, loop, item
    gc.collect()
    sys.exit(3)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
item.extend()
item.ack()
print(list(loop))
"""


def run(bench: Bench, program: str) -> list[str]:
    source, retry, login = _tell(bench)
    settings = WorkerSettings(source, retry=retry, idle_seconds=0.5)
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(sys.path),
            **write_settings(settings),
            **login,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # With its children, which may be what does not end.
        start_new_session=True,
    )
    try:
        out, err = process.communicate(timeout=PATIENCE_SECONDS)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    assert process.returncode == 0, err
    return out.splitlines()


def _tell(bench: Any) -> tuple[Source, RetrySettings, dict[str, str]]:
    match bench:
        case RabbitMQWorkerBench():
            server = bench.server
            source = replace(
                bench.source,
                host=server.host,
                port=server.ports.amqp,
                virtual_host=bench.vhost,
            )
            login = {names.BROKER_USERNAME: ADMIN[0], names.BROKER_PASSWORD: ADMIN[1]}
            return source, RetrySettings(dead_letter=DEAD), login
        case RedisListBench():
            redis_source = RedisSource(
                key=bench.key,
                consumer_group=bench.consumer_group,
                host=bench.server.host,
                port=bench.server.port,
            )
            return redis_source, RetrySettings(dead_letter=dead_key(bench.key)), {}
        case KafkaBench():
            return bench.source, RetrySettings(dead_letter=bench.dead_letter), {}
    raise AssertionError(bench)


@pytest.fixture(params=ONE_OF_EACH)
def apart(request: pytest.FixtureRequest) -> Bench:
    """A queue that is not in the program's memory; such is that of tests/unit/worker."""
    return cast("Bench", open_bench(request.param, request))


def test_children_end_and_leave_item_and_connection_to_their_parent(apart: Bench) -> None:
    bench = apart
    bench.produce(b"apple", b"fig")
    codes = [3] * 5 + [1, 4, 1, -15]
    assert run(bench, PROGRAM) == [f"apple {codes}", f"fig {codes}"]
    assert eventually_left(bench, 0)
    assert list(bench.dead_letters()) == []


def test_child_that_drops_its_copy_of_the_worker_does_not_disturb_the_parent(apart: Bench) -> None:
    apart.produce(b"apple")
    assert run(apart, DROPPING) == ["3", "[]"]
    assert eventually_left(apart, 0)
