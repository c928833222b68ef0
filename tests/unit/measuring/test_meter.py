"""Threads and connections: who shares one, when it ends, and that none waits for another."""

import gc
import queue as queues
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from tests.fake_broker import FakeBroker, FakeProbe
from workqueuejob.brokers.depth import Measurement, QueueDepth
from workqueuejob.brokers.probe import LoopProbe, Services
from workqueuejob.brokers.rabbitmq.reference import RabbitMQReference
from workqueuejob.brokers.rabbitmq.settings import RabbitMQConnection
from workqueuejob.errors import ConnectionFailed, QueueError
from workqueuejob.measuring import thread
from workqueuejob.measuring.backoff import MeterPace
from workqueuejob.measuring.meter import Meter
from workqueuejob.measuring.watched import SilentObserver

SECONDS = 10.0
Told = queues.Queue[Measurement]
QUICK = MeterPace(interval_seconds=3600, connection_cap_seconds=0.02)


@pytest.fixture
def broker() -> FakeBroker:
    return FakeBroker()


@pytest.fixture
def meter(broker: FakeBroker) -> Iterator[Meter[RabbitMQConnection, RabbitMQReference]]:
    # Rounds come only when they are asked for.
    meter = Meter(3600, connect=broker.connect)
    yield meter
    meter.close()


def measuring_threads() -> list[threading.Thread]:
    return [one for one in threading.enumerate() if one.name.startswith("meter")]


def await_end(threads: list[threading.Thread]) -> None:
    for one in threads:
        one.join(SECONDS)
        assert not one.is_alive()


def test_watching_measures_at_once(
    broker: FakeBroker, meter: Meter[RabbitMQConnection, RabbitMQReference]
) -> None:
    broker.declare("a").publish("x")
    told: Told = queues.Queue()
    watch = meter.watch(broker.settings(), RabbitMQReference("a"), told.put)
    measurement = told.get(timeout=SECONDS)
    assert isinstance(measurement.result, QueueDepth)
    assert measurement.result.ready == 1
    assert watch.latest is measurement
    assert measurement.time.utcoffset() is not None


def test_request_is_answered_soon(
    broker: FakeBroker, meter: Meter[RabbitMQConnection, RabbitMQReference]
) -> None:
    broker.declare("a")
    told: Told = queues.Queue()
    watch = meter.watch(broker.settings(), RabbitMQReference("a"), told.put)
    first = told.get(timeout=SECONDS)
    watch.request()
    assert told.get(timeout=SECONDS).started > first.started


def test_equal_settings_share_a_connection_and_others_do_not(
    broker: FakeBroker, meter: Meter[RabbitMQConnection, RabbitMQReference]
) -> None:
    settings = broker.settings()
    told: Told = queues.Queue()
    for name in ("a", "b"):
        broker.declare(name)
        meter.watch(replace(settings), RabbitMQReference(name), told.put)
        told.get(timeout=SECONDS)
    assert (broker.open_probes, meter.connections) == (1, 1)
    meter.watch(replace(settings, management_url="http://mq"), RabbitMQReference("a"), told.put)
    told.get(timeout=SECONDS)
    assert (broker.open_probes, meter.connections) == (2, 2)


def test_last_watchers_close_ends_thread_and_connection(
    broker: FakeBroker, meter: Meter[RabbitMQConnection, RabbitMQReference]
) -> None:
    broker.declare("a")
    told: Told = queues.Queue()
    watches = [meter.watch(broker.settings(), RabbitMQReference("a"), told.put) for _ in range(2)]
    told.get(timeout=SECONDS)
    threads = measuring_threads()
    watches[0].close()
    assert (meter.connections, broker.open_probes) == (1, 1)
    watches[1].close()
    watches[1].close()
    await_end(threads)
    assert (meter.connections, broker.open_probes) == (0, 0)


def test_watch_after_the_last_close_starts_anew(
    broker: FakeBroker, meter: Meter[RabbitMQConnection, RabbitMQReference]
) -> None:
    broker.declare("a")
    told: Told = queues.Queue()
    for _ in range(20):
        watch = meter.watch(broker.settings(), RabbitMQReference("a"), told.put)
        told.get(timeout=SECONDS)
        watch.close()
    assert meter.connections == 0


def test_slow_broker_delays_no_other(broker: FakeBroker) -> None:
    release, entered = threading.Event(), threading.Event()

    def connect(settings: RabbitMQConnection) -> FakeProbe:
        if settings.host == "slow":
            entered.set()
            release.wait(SECONDS)
        return broker.connect(replace(settings, host=broker.host))

    broker.declare("a")
    meter = Meter(3600, connect=connect)
    slow: Told = queues.Queue()
    fast: Told = queues.Queue()
    try:
        meter.watch(replace(broker.settings(), host="slow"), RabbitMQReference("a"), slow.put)
        assert entered.wait(SECONDS)
        meter.watch(broker.settings(), RabbitMQReference("a"), fast.put)
        fast.get(timeout=SECONDS)
        assert slow.empty()
        release.set()
        slow.get(timeout=SECONDS)
    finally:
        release.set()
        meter.close()


def test_nobody_watching_is_not_late(meter: Meter[RabbitMQConnection, RabbitMQReference]) -> None:
    assert meter.late_seconds() == 0


def test_close_from_a_callback_does_not_hang(
    broker: FakeBroker, meter: Meter[RabbitMQConnection, RabbitMQReference]
) -> None:
    broker.declare("a")
    closed = threading.Event()
    holder: list[Callable[[], None]] = []
    ready = threading.Event()

    def close(_: Measurement) -> None:
        ready.wait(SECONDS)
        holder[0]()
        closed.set()

    holder.append(meter.watch(broker.settings(), RabbitMQReference("a"), close).close)
    ready.set()
    assert closed.wait(SECONDS)
    assert meter.connections == 0


def test_bug_in_an_observer_leaves_no_request_unanswered(broker: FakeBroker) -> None:
    class Observer(SilentObserver):
        def measured(self, measurement: Measurement, duration_seconds: float) -> None:
            raise RuntimeError(measurement, duration_seconds)

    told: Told = queues.Queue()
    meter = Meter(3600, connect=broker.connect, observer=Observer())
    try:
        for name in ("a", "b"):
            meter.watch(broker.settings(), RabbitMQReference(name), told.put)
            told.get(timeout=SECONDS)
    finally:
        meter.close()


def test_closing_the_meter_ends_everything(broker: FakeBroker) -> None:
    before = set(measuring_threads())
    meter = Meter(connect=broker.connect)
    told: Told = queues.Queue()
    meter.watch(broker.settings(), RabbitMQReference("a"), told.put)
    told.get(timeout=SECONDS)
    meter.close()
    assert set(measuring_threads()) <= before
    assert (meter.connections, broker.open_probes) == (0, 0)


class Remembering(LoopProbe[RabbitMQReference]):
    """A probe that lives on the loop, and tells what it is to forget."""

    room = quarantine_room = 8

    def __init__(self) -> None:
        self.forgotten: queues.Queue[RabbitMQReference] = queues.Queue()

    async def open(self, _services: Services, _on_lost: Callable[[QueueError], None]) -> None:
        pass

    def count_questions(self, _queue: RabbitMQReference) -> int:
        return 1

    def rest_until(self, **_: bool) -> float:
        return 0.0

    async def begin_round(self) -> None:
        pass

    async def measure(self, _queue: RabbitMQReference, _read: object) -> QueueDepth:
        return QueueDepth(ready=1)

    def glance(
        self, _queue: RabbitMQReference, _on_answer: Callable[[bool | QueueError], None]
    ) -> bool:
        return False

    def forget(self, queue: RabbitMQReference) -> None:
        self.forgotten.put(queue)

    async def close(self) -> None:
        pass


def test_probe_forgets_what_is_watched_no_more(broker: FakeBroker) -> None:
    probe, told = Remembering(), Told()
    meter = Meter[RabbitMQConnection, RabbitMQReference](3600, connect=lambda _: probe)
    try:
        meter.watch(broker.settings(), RabbitMQReference("stays"), told.put)
        for number in range(3):
            goes = RabbitMQReference(f"goes-{number}")
            watch = meter.watch(broker.settings(), goes, told.put)
            told.get(timeout=SECONDS)
            watch.close()
            while probe.forgotten.get(timeout=SECONDS) != goes:
                pass
    finally:
        meter.close()


class HangingBroker:
    """A broker whose first connections hang until they are released."""

    def __init__(self, broker: FakeBroker, *, hangs: int) -> None:
        self.broker = broker
        self.hangs = hangs
        self.released = threading.Event()
        self.hung: list[threading.Thread] = []
        self.entered = threading.Semaphore(0)

    def connect(self, settings: RabbitMQConnection) -> FakeProbe:
        if len(self.hung) < self.hangs:
            self.hung.append(threading.current_thread())
            self.entered.release()
            self.released.wait(SECONDS)
        return self.broker.connect(settings)


def test_call_that_does_not_end_is_given_up_and_another_thread_goes_on(broker: FakeBroker) -> None:
    broker.declare("a").publish("x")
    hanging = HangingBroker(broker, hangs=1)
    meter = Meter(connect=hanging.connect, pace=QUICK, overdue_seconds=0.1)
    told: Told = queues.Queue()
    try:
        watch = meter.watch(broker.settings(), RabbitMQReference("a"), told.put)
        given_up = told.get(timeout=SECONDS).result
        assert isinstance(given_up, ConnectionFailed)
        assert "fake.test:5672: a measurement did not end within 0.1 s" in str(given_up)
        assert "correct the host in spec.queue" in str(given_up)
        measured = told.get(timeout=SECONDS)
        assert isinstance(measured.result, QueueDepth)
        hanging.released.set()
        await_end(hanging.hung)
        # What the first thread still found out is told to nobody.
        assert watch.latest is measured
        assert told.empty()
        assert broker.open_probes == 1
        assert meter.late_seconds() < 1
    finally:
        hanging.released.set()
        meter.close()


def test_end_leaves_no_task_behind_that_still_waits_for_a_broker(
    broker: FakeBroker, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thread, "CLOSING_SECONDS", 0.05)
    hanging = HangingBroker(broker, hangs=1)
    meter = Meter(connect=hanging.connect, pace=QUICK)
    meter.watch(broker.settings(), RabbitMQReference("a"), lambda _: None)
    assert hanging.entered.acquire(timeout=SECONDS)
    threads = [one for one in measuring_threads() if one.name == "meter"]
    try:
        meter.close()
        await_end(threads)
        gc.collect()
        # asyncio complains of a task that its loop has left.
        assert "Task was destroyed" not in caplog.text
    finally:
        hanging.released.set()
        await_end(hanging.hung)


def test_broker_that_always_hangs_leaves_only_so_many_threads_behind(broker: FakeBroker) -> None:
    broker.declare("a")
    hanging = HangingBroker(broker, hangs=1000)
    meter = Meter(connect=hanging.connect, pace=QUICK, overdue_seconds=0.05)
    told: Told = queues.Queue()
    try:
        watch = meter.watch(broker.settings(), RabbitMQReference("a"), told.put)
        for _ in range(3):
            assert hanging.entered.acquire(timeout=SECONDS)
        told.get(timeout=SECONDS)
        watch.request()
        # Answered when the third one is given up.
        told.get(timeout=SECONDS)
        # No more are started, and who asks keeps the answer that there is.
        watch.request()
        assert isinstance(watch.latest and watch.latest.result, ConnectionFailed)
        with pytest.raises(queues.Empty):
            told.get(timeout=0.3)
        assert len(hanging.hung) == 3
        late: Told = queues.Queue()
        meter.watch(broker.settings(), RabbitMQReference("b"), late.put)
        assert isinstance(late.get(timeout=SECONDS).result, ConnectionFailed)
        hanging.hangs = 0
        hanging.released.set()
        while not isinstance(told.get(timeout=SECONDS).result, QueueDepth):
            pass
    finally:
        hanging.released.set()
        meter.close()
