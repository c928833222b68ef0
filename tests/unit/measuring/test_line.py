"""One broker's schedule, on virtual time: when it asks, whom it tells, what it logs."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.fake_broker import FakeBroker, FakeProbe
from workqueuejob.brokers.depth import DepthWarning, Measurement, QueueDepth
from workqueuejob.brokers.rabbitmq.reference import RabbitMQReference
from workqueuejob.errors import (
    AuthenticationFailed,
    ConnectionFailed,
    MeasurementUnreliable,
    QueueError,
    QueueNotFound,
)
from workqueuejob.measuring.ask import UNCHANGED, Answer, Ask
from workqueuejob.measuring.backoff import MeterPace
from workqueuejob.measuring.line import Line
from workqueuejob.measuring.turns import Kind
from workqueuejob.measuring.watched import (
    Environment,
    Listener,
    MeterObserver,
    OnMeasurement,
    SilentObserver,
)

STEADY = MeterPace(jitter=lambda _low, _high: 1.0)
REFUSED = ConnectionFailed("mq:5672: refused; correct the host")


@dataclass
class Bench:
    """A line over a fake broker, with a clock that only `run` moves, and every answer at once."""

    broker: FakeBroker = field(default_factory=FakeBroker)
    now: float = 100.0
    attempts: list[float] = field(default_factory=list)
    observer: MeterObserver = field(default_factory=SilentObserver)
    line: Line[RabbitMQReference] = field(init=False)
    probe: FakeProbe | None = None
    wait: float = 0.0

    def __post_init__(self) -> None:
        environment = Environment(STEADY, observer=self.observer, clock=lambda: self.now)
        self.line = Line("mq:5672", environment)

    def connect(self) -> FakeProbe:
        self.attempts.append(self.now)
        return self.broker.connect(self.broker.settings())

    def watch(self, name: str) -> tuple[Listener, list[Measurement]]:
        told: list[Measurement] = []
        return self.listen(name, told.append), told

    def listen(self, name: str, on_measurement: OnMeasurement) -> Listener:
        watched = self.line.watch(RabbitMQReference(name), on_measurement)
        assert watched is not None
        return watched[1]

    def request(self, name: str, listener: Listener) -> None:
        self.line.request(RabbitMQReference(name), listener)

    def step(self, after: float = 0.0) -> float:
        self.now += after
        asks = self.line.take(self.line.count_due(self.now, at_most=100), self.now)
        if asks:
            self.ask(asks)
        self.line.count_due(self.now, at_most=100)
        self.wait = max(self.line.next_due_at() - self.now, 0.0)
        return self.wait

    def ask(self, asks: list[Ask[RabbitMQReference]]) -> None:
        try:
            self.probe = self.probe or self.connect()
            self.probe.begin_round()
        except Exception as error:  # noqa: BLE001 - whatever the test lets it raise
            failure = self.line.explain(error)
            self.line.fail(failure, started=asks[0].started, time=asks[0].time)
            return
        for ask in asks:
            answer: Answer
            try:
                answer = self.probe.measure(ask.queue)
            except QueueError as error:
                answer = error
            self.line.answer(ask, answer)
            if isinstance(answer, ConnectionFailed):
                self.probe.close()
                self.probe = None
                return

    def run(self, seconds: float) -> None:
        """Step whenever the line wants to, for some seconds."""
        until = self.now + seconds
        self.step()
        while self.now + self.wait <= until:
            assert self.wait > 0
            self.step(self.wait)
        self.now = until


@pytest.fixture
def bench() -> Bench:
    return Bench()


def reasons(told: list[Measurement]) -> list[Any]:
    return [one.result if isinstance(one.result, QueueDepth) else one.result.reason for one in told]


def test_queue_is_measured_at_every_interval_and_told_only_when_it_changed(bench: Bench) -> None:
    queue = bench.broker.declare("a")
    _, told = bench.watch("a")
    bench.run(3.9)
    assert bench.broker.measured == ["a"] * 5
    assert len(told) == 1
    queue.publish("x")
    bench.run(0.9)
    assert [one.result.ready for one in told if isinstance(one.result, QueueDepth)] == [0, 1]


def test_queue_is_measured_once_however_many_watch_it(bench: Bench) -> None:
    bench.broker.declare("a")
    watchers = [bench.watch("a")[1] for _ in range(3)]
    bench.step()
    assert bench.broker.measured == ["a"]
    assert all(len(told) == 1 for told in watchers)


def test_one_round_measures_every_queue(bench: Bench) -> None:
    for name in "abc":
        bench.broker.declare(name)
        bench.watch(name)
    bench.run(1.0)
    assert (bench.broker.rounds, bench.broker.measured) == (2, ["a", "b", "c"] * 2)


def test_request_is_answered_though_nothing_changed_and_only_to_who_asked(bench: Bench) -> None:
    bench.broker.declare("a")
    bench.broker.declare("b")
    asking, told = bench.watch("a")
    _, others = bench.watch("a")
    bench.watch("b")
    bench.step()
    bench.now += 0.3
    asked = bench.now
    bench.request("a", asking)
    bench.step()
    assert (len(told), len(others)) == (2, 1)
    assert told[-1].started >= asked
    assert bench.broker.measured == ["a", "b", "a"]


def test_request_during_a_measurement_is_answered_by_the_next(bench: Bench) -> None:
    bench.broker.declare("a")
    told: list[float] = []

    def ask_again(measurement: Measurement) -> None:
        told.append(measurement.started)
        if len(told) < 2:
            bench.request("a", listener)

    listener = bench.listen("a", ask_again)
    assert bench.step() == pytest.approx(STEADY.gap_seconds)
    bench.step(bench.wait)
    assert len(told) == 2
    assert told[1] > told[0]


def test_requests_without_end_do_not_spin(bench: Bench) -> None:
    bench.broker.declare("a")
    listener = bench.listen("a", lambda _: bench.request("a", listener))
    bench.run(1.0)
    assert len(bench.broker.measured) <= 1.0 / STEADY.gap_seconds + 1


def test_broken_connection_is_tried_after_1_2_4_8_and_then_15_seconds(bench: Bench) -> None:
    bench.broker.failure = REFUSED
    _, told = bench.watch("a")
    bench.run(60)
    waits = [
        after - before for before, after in zip(bench.attempts, bench.attempts[1:], strict=False)
    ]
    assert waits == [1, 2, 4, 8, 15, 15, 15]
    assert reasons(told) == ["ConnectionFailed"]


def test_request_does_not_defeat_the_back_off_and_is_answered_at_the_next_try(
    bench: Bench,
) -> None:
    bench.broker.failure = REFUSED
    listener, told = bench.watch("a")
    bench.run(2.5)
    attempts = len(bench.attempts)
    bench.request("a", listener)
    bench.step()
    assert (len(bench.attempts), len(told)) == (attempts, 1)
    bench.run(2)
    assert (len(bench.attempts), len(told)) == (attempts + 1, 2)


def test_newcomer_is_told_of_a_broken_connection_at_once(bench: Bench) -> None:
    bench.broker.failure = REFUSED
    bench.watch("a")
    bench.run(20)
    _, told = bench.watch("b")
    bench.step()
    assert reasons(told) == ["ConnectionFailed"]


def test_queue_that_is_watched_no_more_stops_nothing_while_the_broker_is_down(bench: Bench) -> None:
    bench.broker.declare("a")
    bench.broker.failure = REFUSED
    _, told = bench.watch("a")
    bench.step()
    leaves, _ = bench.watch("b")
    bench.line.drop(RabbitMQReference("b"), leaves)
    bench.run(5)
    bench.broker.failure = None
    bench.run(20)
    assert [type(one.result) for one in told] == [ConnectionFailed, QueueDepth]


def test_lost_connection_is_told_to_all_and_mends_by_itself(bench: Bench) -> None:
    bench.broker.declare("a").publish("x")
    bench.broker.declare("b")
    _, told_a = bench.watch("a")
    _, told_b = bench.watch("b")
    bench.step()
    bench.broker.restart()
    bench.run(5)
    assert [type(one.result) for one in told_a] == [QueueDepth, ConnectionFailed, QueueDepth]
    assert [type(one.result) for one in told_b] == [QueueDepth, ConnectionFailed, QueueDepth]
    assert bench.broker.open_probes == 1


def test_back_off_starts_anew_after_a_success(bench: Bench) -> None:
    bench.broker.declare("a")
    bench.watch("a")
    bench.broker.failure = REFUSED
    bench.run(20)
    bench.broker.failure = None
    bench.run(20)
    bench.broker.failure = REFUSED
    before = len(bench.attempts)
    bench.run(3)
    assert len(bench.attempts) - before >= 1


def test_missing_queue_is_asked_for_less_often_and_delays_no_other(bench: Bench) -> None:
    bench.broker.declare("a")
    bench.watch("a")
    _, told = bench.watch("missing")
    bench.run(30)
    assert reasons(told) == ["QueueNotFound"]
    assert 8 <= bench.broker.measured.count("missing") <= 14
    assert bench.broker.measured.count("a") >= 35


def test_missing_queue_in_back_off_does_not_stop_a_broken_connection_from_mending(
    bench: Bench,
) -> None:
    _, told = bench.watch("missing")
    bench.run(10)
    bench.broker.restart()
    bench.run(5)
    bench.broker.declare("missing")
    bench.run(5)
    assert type(told[-1].result) is QueueDepth


@pytest.mark.parametrize("error", [AuthenticationFailed("x"), REFUSED])
def test_refusal_to_connect_is_every_queues_result(
    bench: Bench, error: AuthenticationFailed
) -> None:
    bench.broker.failure = error
    _, told_a = bench.watch("a")
    _, told_b = bench.watch("b")
    bench.step()
    assert [told_a[0].result, told_b[0].result] == [error, error]


def test_lie_of_the_broker_is_told_as_it_is(bench: Bench) -> None:
    bench.broker.declare("a").lie = MeasurementUnreliable("below zero")
    _, told = bench.watch("a")
    bench.step()
    assert reasons(told) == ["MeasurementUnreliable"]


def test_bug_in_a_probe_is_a_failed_connection_logged_once_and_shows_no_secret(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> FakeProbe:
        raise KeyError("hush")

    monkeypatch.setattr(bench, "connect", fail)
    _, told = bench.watch("a")
    with capture_logs() as logs:
        bench.run(60)
    assert str(told[0].result).startswith("mq:5672: KeyError while measuring")
    assert len(told) == 1
    assert [one["event"] for one in logs] == [
        "measuring failed unexpectedly",
        "broker can't be reached",
    ]


def test_an_hour_of_failing_is_one_log_line_and_its_end_another(bench: Bench) -> None:
    bench.broker.declare("a")
    bench.watch("a")
    bench.broker.failure = REFUSED
    with capture_logs() as logs:
        bench.run(3600)
        bench.broker.failure = None
        bench.run(30)
    assert [(one["log_level"], one["event"]) for one in logs] == [
        ("warning", "broker can't be reached"),
        ("info", "broker can be reached again"),
    ]


def test_missing_queue_is_logged_when_it_goes_and_when_it_comes(bench: Bench) -> None:
    bench.watch("a")
    with capture_logs() as logs:
        bench.run(600)
        bench.broker.declare("a")
        bench.run(10)
    assert [(one["event"], one["queue"]) for one in logs] == [
        ("queue can't be measured", "a"),
        ("queue can be measured again", "a"),
    ]


def test_failing_watcher_does_not_keep_others_from_being_told(bench: Bench) -> None:
    bench.broker.declare("a")

    def fail(_: Measurement) -> None:
        raise RuntimeError

    bench.listen("a", fail)
    _, told = bench.watch("a")
    bench.step()
    assert len(told) == 1


def test_observer_hears_of_measurements() -> None:
    heard: list[Any] = []

    class Observer(SilentObserver):
        def measured(self, measurement: Measurement, duration_seconds: float) -> None:
            heard.append((measurement.result, duration_seconds))

    bench = Bench(observer=Observer())
    bench.broker.declare("a")
    bench.watch("a")
    bench.watch("b")
    bench.step()
    assert [type(result) for result, _ in heard] == [QueueDepth, QueueNotFound]


def take(bench: Bench) -> list[Ask[RabbitMQReference]]:
    return bench.line.take(bench.line.count_due(bench.now, at_most=100), bench.now)


def be_idle(bench: Bench, listener: Listener) -> None:
    bench.line.set_idle(listener, True)


def test_idle_queue_is_glanced_at_and_measured_once_in_a_while(bench: Bench) -> None:
    bench.broker.declare("a")
    listener, told = bench.watch("a")
    bench.step()
    be_idle(bench, listener)
    glances = 0
    until = bench.now + STEADY.whole_seconds + 2
    while bench.now < until:
        bench.now += STEADY.interval_seconds
        for ask in take(bench):
            glances += ask.is_glance
            if not ask.is_glance:
                bench.ask([ask])
                continue
            bench.line.answer(ask, UNCHANGED)
    assert glances >= 140
    assert bench.broker.measured == ["a", "a"]
    assert len(told) == 1


def test_request_and_a_second_watcher_want_more_than_a_glance(bench: Bench) -> None:
    bench.broker.declare("a")
    listener, _ = bench.watch("a")
    bench.step()
    be_idle(bench, listener)
    bench.now += 1
    bench.request("a", listener)
    (asked,) = take(bench)
    assert not asked.is_glance
    bench.ask([asked])
    bench.watch("a")
    bench.step()
    bench.now += 1
    (asked,) = take(bench)
    assert not asked.is_glance


def test_queue_that_failed_is_measured_whole(bench: Bench) -> None:
    listener, _ = bench.watch("a")
    bench.step()
    be_idle(bench, listener)
    bench.now += 5
    (asked,) = take(bench)
    assert not asked.is_glance


def test_queue_with_a_warning_is_measured_whole_until_it_has_gone(bench: Bench) -> None:
    listener, told = bench.watch("a")
    warning = DepthWarning("ManagementUnavailable", "in flight is unknown: refused")
    answers = iter([QueueDepth(ready=0, warning=warning), QueueDepth(ready=0)])
    for _ in range(2):
        (asked,) = take(bench)
        assert not asked.is_glance
        bench.line.answer(asked, next(answers))
        be_idle(bench, listener)
        bench.now += 5
    (asked,) = take(bench)
    assert asked.is_glance
    assert [measured.result for measured in told] == [
        QueueDepth(ready=0, warning=warning),
        QueueDepth(ready=0),
    ]


def hang(bench: Bench, ask: Ask[RabbitMQReference]) -> None:
    bench.now += 1
    bench.line.answer(ask, MeasurementUnreliable("did not answer"))


def test_queue_that_hangs_waits_longer_and_longer_in_quarantine(bench: Bench) -> None:
    bench.watch("a")
    waits = []
    for _ in range(9):
        (asked,) = take(bench)
        hang(bench, asked)
        bench.line.count_due(bench.now, at_most=1)
        waits.append(bench.line.next_due_at() - bench.now)
        bench.now = bench.line.next_due_at()
        assert bench.line.count_due(bench.now, at_most=9)[Kind.IN_QUARANTINE] == 1
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_answer_ends_the_quarantine(bench: Bench) -> None:
    bench.broker.declare("a")
    bench.watch("a")
    hang(bench, take(bench)[0])
    bench.run(2)
    bench.now += 1
    assert bench.line.count_due(bench.now, at_most=9) == (0, 1, 0, 0)


def test_request_for_a_queue_in_quarantine_waits_for_its_turn(bench: Bench) -> None:
    bench.broker.declare("a")
    listener, told = bench.watch("a")
    hang(bench, take(bench)[0])
    bench.request("a", listener)
    assert bench.line.count_due(bench.now, at_most=9) == (0, 0, 0, 0)
    bench.run(2)
    assert isinstance(told[-1].result, QueueDepth)


def test_questions_that_were_not_asked_are_due_again_with_their_requests(bench: Bench) -> None:
    bench.broker.declare("a")
    _, told = bench.watch("a")
    asked = take(bench)
    bench.line.give_back(asked, due_at=bench.now)
    bench.step()
    assert len(told) == 1


@pytest.mark.parametrize("is_measured", [True, False])
def test_what_is_watched_no_more_leaves_nothing_behind(bench: Bench, *, is_measured: bool) -> None:
    bench.watch("steady")
    for number in range(1000):
        name = f"queue-{number}"
        bench.broker.declare(name)
        listener, _ = bench.watch(name)
        if is_measured:
            bench.step()
        bench.line.drop(RabbitMQReference(name), listener)
        bench.now += 1
    assert bench.line.size <= 4


def test_interval_in_force_is_measured_and_a_long_one_said(bench: Bench) -> None:
    bench.broker.declare("a").publish("x")
    _, told = bench.watch("a")
    bench.step()
    for _ in range(20):
        bench.now += 30
        bench.broker.queues["a"].publish("x")
        bench.step()
    assert bench.line.intervals[Kind.AT_WORK] == pytest.approx(30)
    assert (told[0].interval_seconds, told[-1].interval_seconds) == (0, 30)


def test_item_is_seen_within_a_second_by_default() -> None:
    assert MeterPace(jitter=max).next_round() < 0.95


def test_back_off_never_passes_its_cap_however_long_it_fails() -> None:
    assert MeterPace().next_connection_try(10_000) <= 15
    assert MeterPace().next_queue_try(10_000) <= 3
