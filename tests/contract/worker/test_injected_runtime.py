"""The runtime that travels into pods keeps the worker's contract, on every broker.

What an injected worker's Python lacks shows only when it is used, as when the first item is
dead-lettered. So each verb of a broker is used here once, under the runtime's own interpreter, and
the whole program settles items by each outcome. `make runtime` runs the whole contract there.
"""

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from tests.contract.worker.bench import Bench
from tests.contract.worker.conftest import ONE_OF_EACH, open_bench
from tests.contract.worker.kafka_bench import KafkaBench
from tests.contract.worker.rabbitmq_bench import DEAD, RabbitMQWorkerBench
from tests.contract.worker.redis_bench import RedisListBench
from tests.contract.worker.test_worker_contract import (
    eventually_left,
    test_closing_gives_back_what_was_fetched_but_not_taken,
    test_dead_letter_says_why_when_and_where,
    test_failed_item_rests_before_it_comes_back,
    test_item_of_a_killed_worker_comes_back_as_another_attempt,
    test_released_item_keeps_its_failed_attempts,
    test_renewed_item_is_held_for_longer_than_the_lease,
    test_without_a_target_exhausted_items_are_discarded,
)
from tests.contract.worker.travelled import InRuntime
from tests.worker_runtime import launcher_command
from workqueuejob.contract import settings as names
from workqueuejob.contract.dead_letters import dead_key
from workqueuejob.contract.retry import RetrySettings
from workqueuejob.contract.settings import Source, WorkerSettings, write_settings

__all__ = [
    "test_closing_gives_back_what_was_fetched_but_not_taken",
    "test_dead_letter_says_why_when_and_where",
    "test_failed_item_rests_before_it_comes_back",
    "test_item_of_a_killed_worker_comes_back_as_another_attempt",
    "test_released_item_keeps_its_failed_attempts",
    "test_renewed_item_is_held_for_longer_than_the_lease",
    "test_without_a_target_exhausted_items_are_discarded",
]

pytestmark = pytest.mark.starts_early


# Another RabbitMQ would have to start in the process that makes the runtime and has the Kafka.
KINDS = [
    pytest.param(*kind.values, marks=(*kind.marks, pytest.mark.nightly), id=kind.id)
    if kind.id in {"classic", "quorum"}
    else kind
    for kind in ONE_OF_EACH
]


@pytest.fixture(params=KINDS)
def bench(request: pytest.FixtureRequest, in_runtime: InRuntime) -> Bench:
    kind: Any = request.param
    bench = open_bench(kind, request)
    bench.place = in_runtime
    return cast("Bench", bench)


def test_injected_program_settles_items_by_every_outcome(
    bench: Bench, worker_runtime: Path
) -> None:
    bench.produce(b"good", b"bad", b"fine")
    done = run_worker(bench, worker_runtime, "sh", "-c", 'test "$(cat)" != bad')

    assert done.returncode == 0, done.stderr
    (letter,) = bench.dead_letters()
    assert (letter.body, letter.reason, letter.attempts) == (b"bad", "exit code 1", 2)
    assert eventually_left(bench, 0)


def run_worker(bench: Bench, runtime: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command with the items of a bench, as an injected worker does in its pod."""
    source, dead_letter, secrets = describe(bench)
    retry = RetrySettings(max_attempts=2, initial_delay_seconds=0, dead_letter=dead_letter)
    settings = WorkerSettings(source=source, retry=retry, idle_seconds=1)
    return subprocess.run(
        [*launcher_command(runtime), "--", *command],
        env={"PATH": "/usr/bin:/bin", **write_settings(settings), **secrets},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def describe(bench: Any) -> tuple[Source, str, dict[str, str]]:
    """Return what the operator tells a worker of a bench: the source, dead letters, secrets."""
    match bench:
        case RedisListBench():
            server = bench.server
            keyed = replace(bench.source, host=server.host, port=server.port)
            return keyed, dead_key(bench.key), {}
        case RabbitMQWorkerBench():
            told = bench.settings()
            source = replace(
                bench.source, host=told.host, port=told.port, virtual_host=told.virtual_host
            )
            secrets = {names.BROKER_USERNAME: told.username, names.BROKER_PASSWORD: told.password}
            return source, DEAD, secrets
        case KafkaBench():
            return bench.source, bench.dead_letter, {}
    raise AssertionError(f"no settings for {bench!r}")
