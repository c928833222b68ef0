"""Whole runs on a real Kafka: from a spec to its end, by the operator's decisions and our worker.

There is no cluster: a wave's pods work one after the other, in the moment in which they are made.
"""

import itertools
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from confluent_kafka import Consumer

from dev.servers.kafka import KafkaServer, kafka_server
from tests.builders import a_finished_job, a_kafka_queue, a_work_queue_job
from tests.contract.worker.kafka_bench import KafkaBench
from tests.driving import drive
from tests.reach import allow
from workqueuejob.api.spec import RunPolicy
from workqueuejob.api.status import CountedItems, WorkQueueJobStatus
from workqueuejob.brokers.depth import Measurement, QueueDepth
from workqueuejob.brokers.references import build_reference, connect
from workqueuejob.brokers.resolving import resolve_connection
from workqueuejob.brokers.worker_settings import read_settings
from workqueuejob.errors import QueueError
from workqueuejob.planning.actions import CreateWave
from workqueuejob.planning.evidence.evidence import Evidence, gather_evidence
from workqueuejob.planning.ledger.books import reckon
from workqueuejob.planning.ledger.spans import restrict
from workqueuejob.planning.observing.observed import Observed, ObservedJob
from workqueuejob.planning.plan import plan
from workqueuejob.planning.pods.environment import build_environment
from workqueuejob.planning.pods.worker_environment import build_worker_environment
from workqueuejob.planning.status.status import build_status
from workqueuejob.planning.verdict import ConditionType, find_condition, find_end
from workqueuejob.worker.connecting import open_broker

__all__ = ["kafka_server"]

pytestmark = pytest.mark.kafka

MOST_STEPS = 60


class Run:
    """A WorkQueueJob on a topic, and what the operator has come to."""

    def __init__(self, bench: KafkaBench, stack: ExitStack, **spec: Any) -> None:
        kafka = spec.pop("kafka", {})
        known: dict[str, Any] = {
            "worker": {"source": "Image"},
            "retry": {"dead_letter": {"name": bench.dead_letter}},
            "drained_after_seconds": 0,
        }
        self.resource = a_work_queue_job(
            kafka=a_kafka_queue(
                bootstrap_servers=[bench.server.bootstrap],
                topic=bench.topic,
                consumer_group=bench.source.consumer_group,
                **kafka,
            ),
            **known | spec,
        )
        settings = resolve_connection(
            self.resource.spec.queue, namespace="shop", secrets={}, allowed_hosts=allow()
        )
        self.probe = drive(connect(settings))
        stack.callback(self.probe.close)
        self.waves: list[CreateWave] = []
        self.done: list[bytes] = []
        self._jobs: tuple[ObservedJob, ...] = ()
        self._evidence = Evidence()
        self._clock = itertools.count(1)
        self.seconds_per_step = 0

    @property
    def status(self) -> WorkQueueJobStatus:
        return self.resource.status

    def reason_of(self, kind: str) -> str | None:
        found = find_condition(self.status.conditions, ConditionType(kind))
        return found.reason if found else None

    def step(self) -> None:
        """Reconcile once."""
        started = next(self._clock)
        now = datetime.now(UTC) + timedelta(seconds=started * self.seconds_per_step)
        observed = Observed(
            self.resource, self._jobs, restrict(self._measure(started, now), self.resource)
        )
        books = reckon(observed)
        self._evidence = gather_evidence(self._evidence, observed, books=books, now=now)
        decided = plan(observed, self._evidence, books=books, now=now)
        for action in decided.actions:
            assert isinstance(action, CreateWave)
            self.waves.append(action)
            job = a_finished_job(action.wave, succeeded=action.completions)
            if self.resource.spec.worker is None:
                self._run_program()
            else:
                job = replace(job, items=CountedItems(succeeded=self._work_off()))
            self._jobs += (job,)
        observed = replace(observed, jobs=self._jobs)
        status = build_status(observed, decided, books=reckon(observed), now=now)
        self.resource = self.resource.model_copy(update={"status": status})

    def finish(self) -> None:
        """Reconcile until the run has ended."""
        for _ in range(MOST_STEPS):
            self.step()
            if find_end(self.status.conditions) is not None:
                return
        raise AssertionError(f"the run does not end: {self.status}")

    def _measure(self, started: int, now: datetime) -> Measurement:
        try:
            found: QueueDepth | QueueError = self.probe.measure(build_reference(self.resource))
        except QueueError as error:
            found = error
        return Measurement(started=float(started), time=now, result=found)

    def _run_program(self) -> None:
        """Work as a program does that commits the offset of each item, and no other."""
        told = {one["name"]: one["value"] for one in build_environment(self.resource.spec.queue)}
        consumer = Consumer(
            {
                "bootstrap.servers": told["BOOTSTRAP_SERVERS"],
                "group.id": told["CONSUMER_GROUP"],
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
            }
        )
        consumer.subscribe([told["QUEUE"]])
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            message = consumer.poll(1)
            if message is not None and message.error() is not None:
                break
            if message is not None:
                self.done.append(message.value() or b"")
                consumer.commit(message=message, asynchronous=False)
        consumer.close()

    def _work_off(self) -> int:
        """Work as a pod of the wave does; return the items that it settled."""
        environ = {"WQJ_POD_NAME": "pod-1"}
        for one in build_worker_environment(self.resource, {"name": "worker"}):
            if "value" in one:
                environ[one["name"]] = one["value"].replace("$$", "$")
        broker = open_broker(read_settings(environ), environ)
        before = len(self.done)
        while (item := broker.take(timeout_seconds=1)) is not None:
            broker.ack(item)
            self.done.append(item.body)
        broker.close()
        return len(self.done) - before


@pytest.fixture
def bench(kafka_server: KafkaServer, stack: ExitStack) -> KafkaBench:
    return KafkaBench(kafka_server, stack)


def numbered(first: int, last: int) -> list[bytes]:
    return [b"%d" % number for number in range(first, last + 1)]


def test_run_works_on_what_is_there_and_leaves_what_comes(
    bench: KafkaBench, stack: ExitStack
) -> None:
    bench.make_room(3)
    bench.produce(*numbered(1, 9))
    run = Run(bench, stack, parallelism=8)
    run.step()
    assert run.waves == []
    assert run.status.queue is not None
    assert run.status.queue.offsets is not None
    assert (run.status.queue.offsets.starts, run.status.queue.offsets.ends) == ("0,0,0", "3,3,3")
    bench.produce(*numbered(10, 12))
    run.finish()
    assert sorted(run.done) == sorted(numbered(1, 9))
    assert [(wave.completions, wave.parallelism) for wave in run.waves] == [(3, 3)]
    items, queue = run.status.items, run.status.queue
    assert items is not None
    assert queue is not None
    assert (items.total, items.succeeded, items.remaining, items.accounting) == (
        9,
        9,
        0,
        "Counted",
    )
    assert (queue.ready, queue.in_flight, queue.later) == (0, 0, 3)
    assert run.reason_of("Complete") == "Drained"
    # The next one takes it from there.
    again = Run(bench, stack)
    again.finish()
    assert sorted(again.done) == numbered(10, 12)


def test_markers_of_transactions_are_no_items(bench: KafkaBench, stack: ExitStack) -> None:
    for number in range(6):
        producer = bench.open_transaction(b"%d" % number)
        (producer.abort_transaction if number % 2 else producer.commit_transaction)(10)
    bench.await_end(12)
    run = Run(bench, stack)
    run.finish()
    assert run.done == [b"0", b"2", b"4"]
    items, queue = run.status.items, run.status.queue
    assert items is not None
    assert queue is not None
    assert (items.total, items.succeeded, items.remaining) == (3, 3, 0)
    assert (queue.ready, queue.later) == (0, 0)
    assert run.status.progress == "3/3"


def test_aborted_transactions_alone_end_as_a_run_without_items(
    bench: KafkaBench, stack: ExitStack
) -> None:
    bench.open_transaction(b"never").abort_transaction(10)
    bench.await_end(2)
    run = Run(bench, stack)
    run.finish()
    assert run.done == []
    assert run.status.progress == "0/0"
    assert run.reason_of("Complete") == "Drained"


def test_partition_that_is_added_during_the_run_is_left_for_the_next(
    bench: KafkaBench, stack: ExitStack
) -> None:
    bench.produce(*numbered(1, 3))
    run = Run(bench, stack)
    run.step()
    bench.make_room(3)
    bench.produce(*numbered(4, 9))
    run.finish()
    assert run.done == numbered(1, 3)
    again = Run(bench, stack)
    again.finish()
    assert sorted(again.done) == numbered(4, 9)


def test_topic_that_is_created_anew_during_the_run_is_told(
    bench: KafkaBench, stack: ExitStack
) -> None:
    bench.produce(*numbered(1, 3))
    run = Run(bench, stack)
    run.step()
    bench.admin.delete_topics([bench.topic])[bench.topic].result(10)
    run.step()
    assert run.reason_of("QueueReachable") == "QueueNotFound"
    bench.create_topic(bench.topic)
    for _ in eventually(run, "QueueReplaced"):
        run.step()
    assert run.waves == []


def eventually(run: Run, reason: str) -> Iterator[None]:
    for _ in range(MOST_STEPS):
        if run.reason_of("QueueReachable") == reason:
            return
        yield
    raise AssertionError(f"no {reason}: {run.status.conditions}")


def test_run_from_the_end_on_misses_nothing_that_comes_before_its_first_pod(
    bench: KafkaBench, stack: ExitStack
) -> None:
    bench.produce(*numbered(1, 3))
    run = Run(bench, stack, run_policy="Continuous", kafka={"start_from": "Latest"})
    run.step()
    run.step()
    assert run.waves == []
    bench.produce(*numbered(4, 5))
    run.step()
    assert run.done == numbered(4, 5)
    for _ in range(4):
        run.step()
    assert run.reason_of("Progressing") == "WaitingForItems"
    bench.produce(b"6")
    run.step()
    assert run.done == numbered(4, 6)


def test_run_from_the_end_on_that_winds_down_misses_nothing_either(
    bench: KafkaBench, stack: ExitStack
) -> None:
    bench.produce(*numbered(1, 3))
    run = Run(bench, stack, run_policy="Continuous", kafka={"start_from": "Latest"})
    run.step()
    bench.produce(*numbered(4, 5))
    spec = run.resource.spec.model_copy(update={"run_policy": RunPolicy.UNTIL_DRAINED})
    run.resource = run.resource.model_copy(update={"spec": spec})
    run.finish()
    assert run.done == numbered(4, 5)
    assert run.reason_of("Complete") == "Drained"


def test_records_that_retention_removed_have_expired(bench: KafkaBench, stack: ExitStack) -> None:
    bench.produce(*numbered(1, 9))
    run = Run(bench, stack)
    run.step()
    bench.delete_before(4)
    run.finish()
    assert run.done == numbered(5, 9)
    items = run.status.items
    assert items is not None
    assert (items.total, items.succeeded, items.expired) == (5, 5, 4)
    complete = find_condition(run.status.conditions, ConditionType.COMPLETE)
    assert complete is not None
    assert ", 4 offsets removed by retention" in complete.message


def test_missing_dead_letter_topic_is_told_before_any_item_is_tried(
    bench: KafkaBench, stack: ExitStack
) -> None:
    bench.produce(b"apple")
    run = Run(bench, stack, retry={"dead_letter": {"name": "nowhere"}})
    run.step()
    run.step()
    assert run.waves == []
    assert run.reason_of("Progressing") == "DeadLetterTargetMissing"
    assert run.status.queue is not None
    assert run.status.queue.ready == 1


def test_program_of_ones_own_drains_a_topic(bench: KafkaBench, stack: ExitStack) -> None:
    bench.produce(*numbered(1, 4))
    run = Run(bench, stack, worker=None, retry=None)
    run.finish()
    assert run.done == numbered(1, 4)
    assert run.reason_of("Complete") == "Drained"
    items, queue = run.status.items, run.status.queue
    assert items is not None
    assert queue is not None
    assert (items.total, items.succeeded, items.remaining) == (4, 4, 0)
    assert (queue.ready, queue.in_flight) == (0, None)


def test_program_that_does_not_pass_the_last_marker_is_told_so_and_the_run_ends(
    bench: KafkaBench, stack: ExitStack
) -> None:
    bench.open_transaction(b"apple").commit_transaction(10)
    bench.await_end(2)
    run = Run(bench, stack, worker=None, retry=None)
    run.seconds_per_step = 30
    run.finish()
    assert run.done == [b"apple"]
    assert run.reason_of("Failed") == "NoProgress"
    assert run.reason_of("QueueReachable") == "LagUnreachable"
