import asyncio
import functools
import gc
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tests.unit.worker.builders import Clock, build_settings
from workqueuejob.brokers.broker import Delivery
from workqueuejob.brokers.envelope import Envelope
from workqueuejob.brokers.memory.broker import MemoryBroker, MemoryQueue
from workqueuejob.errors import (
    AuthenticationFailed,
    DeadLetterTargetMissing,
    HandlerInvalid,
    LeaseLost,
    SettingsInvalid,
)
from workqueuejob.worker import Item, Worker


class Plant:
    made: ClassVar[list["Plant"]] = []

    def __init__(self, *bodies: bytes, lease_seconds: float = 30, **settings: Any) -> None:
        self.clock = Clock()
        self.queue = MemoryQueue(
            lease_seconds=lease_seconds, clock=self.clock, sleep=self.clock.sleep
        )
        self.queue.put(*bodies)
        self.settings = build_settings(**settings)
        self.broker = MemoryBroker(self.queue, retry=self.settings.retry)
        self.worker = Worker(self.settings, broker=self.broker, timing=self.clock.timing)
        self.made.append(self)

    @property
    def letters(self) -> list[tuple[bytes, str]]:
        return [(dead.body, dead.reason) for dead in self.queue.dead_letters]

    def take_next(self) -> Delivery:
        delivery = self.broker.take(timeout_seconds=0)
        assert delivery is not None
        return delivery


@pytest.fixture(autouse=True)
def closing() -> Iterator[None]:
    """Leave no thread and no signal handler behind."""
    yield
    while Plant.made:
        Plant.made.pop().worker.close()


def test_item_is_acknowledged_when_the_body_ends() -> None:
    plant = Plant(b"apple", b"banana")
    left = [(item.body, plant.queue.count_left()) for item in plant.worker]
    assert left == [(b"apple", 2), (b"banana", 1)]
    assert plant.queue.count_left() == 0


def test_item_is_acknowledged_when_its_block_ends() -> None:
    plant = Plant(b"apple")
    for item in plant.worker:
        with item:
            assert plant.queue.count_left() == 1
        assert plant.queue.count_left() == 0


def test_exception_in_the_block_fails_the_item_and_the_loop_goes_on(
    capsys: pytest.CaptureFixture[str],
) -> None:
    plant = Plant(b"poison", b"apple")
    worked = []
    for item in plant.worker:
        with item:
            if item.body == b"poison":
                raise ValueError("no such\nfruit")
            worked.append(item.body)
    assert worked == [b"apple"]
    assert plant.letters == [(b"poison", "ValueError: no such fruit")]
    assert capsys.readouterr().err.count("Traceback") == 3


def test_exception_after_settling_changes_nothing() -> None:
    plant = Plant(b"apple")
    for item in plant.worker:
        with item:
            item.ack()
            raise ValueError("too late")
    assert plant.queue.count_left() == 0
    assert plant.letters == []


def test_interrupt_by_the_keyboard_releases_the_item_and_goes_on() -> None:
    plant = Plant(b"apple")

    def work() -> None:
        for item in plant.worker:
            with item:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    assert plant.take_next().attempt == 1


def test_exit_in_the_block_fails_the_item_and_goes_on() -> None:
    plant = Plant(b"apple")

    def work() -> None:
        for item in plant.worker:
            with item:
                raise SystemExit(3)

    with pytest.raises(SystemExit):
        work()
    assert plant.take_next().attempt == 2


def test_run_calls_the_handler_with_every_item() -> None:
    plant = Plant(b"apple", b"banana", b"poison")
    bodies = []

    def handle(item: Item) -> None:
        if item.text == "poison":
            raise LookupError
        bodies.append(item.text)

    plant.worker.run(handle)
    assert bodies == ["apple", "banana"]
    assert plant.letters == [(b"poison", "LookupError")]


# What an item is besides its body


def test_item_has_all_that_its_broker_keeps() -> None:
    plant, now = Plant(), datetime(2026, 11, 30, tzinfo=UTC)
    plant.queue.put(
        b"",
        envelope=Envelope(
            headers={"trace": "t-1"},
            properties={"priority": 3},
            key=b"ann",
            content_type="image/png",
            enqueued_at=now,
            is_tombstone=True,
        ),
    )
    for item in plant.worker:
        item.fail("no good")
        assert (item.headers, item.properties) == ({"trace": "t-1"}, {"priority": 3})
        assert (item.key, item.content_type, item.enqueued_at) == (b"ann", "image/png", now)
        assert (item.body, item.is_tombstone) == (b"", True)
    (letter,) = plant.queue.dead_letters
    assert letter.envelope.headers == {"trace": "t-1"}


# Explicit settling


def test_failed_item_is_not_acknowledged_by_the_loop() -> None:
    plant = Plant(b"poison")
    for item in plant.worker:
        item.fail("no good")
    assert plant.letters == [(b"poison", "no good")]


def test_released_item_comes_again_uncounted() -> None:
    plant = Plant(b"apple")
    attempts = []
    for item in plant.worker:
        attempts.append((item.attempt, item.redelivered))
        if len(attempts) == 1:
            item.release()
    assert attempts == [(1, False), (1, True)]


def test_lost_item_is_told_to_its_worker() -> None:
    plant = Plant(b"apple", lease_seconds=30)
    for item in plant.worker:
        plant.clock.now += 31
        with pytest.raises(LeaseLost):
            item.extend()
        assert item.is_lost
        assert not item.ack()
        break
    # It belongs to somebody else, so leaving the loop settles nothing.
    assert plant.take_next().attempt == 2


def test_text_is_utf8() -> None:
    plant = Plant("Käse".encode())
    assert [item.text for item in plant.worker] == ["Käse"]


# Leaving the loop


def test_break_fails_the_item_in_hand() -> None:
    plant = Plant(b"apple", b"banana")
    for _ in plant.worker:
        break
    gc.collect()
    item = plant.take_next()
    assert (item.body, item.attempt) == (b"apple", 2)


def test_exception_without_a_block_fails_the_item_in_hand() -> None:
    plant = Plant(b"apple")

    def work() -> None:
        for _ in plant.worker:
            raise ValueError("no good")

    with pytest.raises(ValueError, match="no good"):
        work()
    gc.collect()
    assert plant.take_next().attempt == 2


def test_break_after_settling_is_harmless() -> None:
    plant = Plant(b"apple")
    for item in plant.worker:
        item.ack()
        break
    gc.collect()
    assert plant.queue.count_left() == 0


def test_loop_may_be_taken_up_again_after_a_break() -> None:
    plant = Plant(b"apple", b"banana")
    for item in plant.worker:
        item.ack()
        break
    assert [item.body for item in plant.worker] == [b"banana"]


def test_closing_fails_the_item_in_hand_and_gives_back_what_was_fetched() -> None:
    plant = Plant(b"apple", b"banana", b"cherry")
    plant.broker = MemoryBroker(plant.queue, retry=plant.settings.retry, prefetch=3)
    with Worker(plant.settings, broker=plant.broker, timing=plant.clock.timing) as worker:
        loop = iter(worker)
        next(loop)
    worker.close()
    found = {}
    while (delivery := plant.broker.take(timeout_seconds=0)) is not None:
        found[delivery.body] = delivery.attempt
    assert found == {b"apple": 2, b"banana": 1, b"cherry": 1}


def test_worker_is_closed_after_its_last_item() -> None:
    plant = Plant()
    assert list(plant.worker) == []
    with pytest.raises(RuntimeError, match="closed"):
        list(plant.worker)


def test_second_loop_while_an_item_is_in_hand_is_refused() -> None:
    plant = Plant(b"apple", b"banana")
    for _ in plant.worker:
        with pytest.raises(RuntimeError, match="in hand"):
            next(iter(plant.worker))


# Ending


def test_stopped_worker_ends_the_program_early() -> None:
    plant = Plant(b"apple", b"banana")
    bodies = []

    def work() -> None:
        for item in plant.worker:
            bodies.append(item.body)
            plant.worker.stop()

    with pytest.raises(SystemExit) as caught:
        work()
    assert caught.value.code == 75
    assert bodies == [b"apple"]
    assert plant.queue.count_left() == 1


def test_stopped_worker_whose_quota_is_settled_goes_on_after_the_loop() -> None:
    plant = Plant(b"apple", b"banana", quota=1)
    for _ in plant.worker:
        plant.worker.stop()
    assert plant.queue.count_left() == 1


class Refusing(MemoryBroker):
    error: Exception

    def dead_letter(self, delivery: Delivery, *, reason: str) -> None:  # noqa: ARG002 - a fake
        raise self.error


def test_missing_dead_letter_queue_is_raised_from_the_block() -> None:
    plant = Plant(b"poison")
    broker = Refusing(plant.queue)
    broker.error = DeadLetterTargetMissing("queue 'dead' not found; create it")

    def work() -> None:
        with Worker(plant.settings, broker=broker, timing=plant.clock.timing) as worker:
            worker.run(lambda item: item.fail("no good"))

    with pytest.raises(DeadLetterTargetMissing, match="create it"):
        work()
    assert plant.queue.count_left() == 1


class LockedOut(MemoryBroker):
    is_locked_out = False

    def take(self, *, timeout_seconds: float) -> Delivery | None:
        if self.is_locked_out:
            raise AuthenticationFailed("mq:5672: login refused")
        return super().take(timeout_seconds=timeout_seconds)


def test_refusal_after_work_ends_the_program_early() -> None:
    plant = Plant(b"apple")
    broker = LockedOut(plant.queue)

    def work() -> None:
        with Worker(plant.settings, broker=broker, timing=plant.clock.timing) as worker:
            for _ in worker:
                broker.is_locked_out = True

    with pytest.raises(SystemExit) as caught:
        work()
    assert caught.value.code == 75


def test_environment_without_settings_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WQJ_SETTINGS", "BROKER_URL", "QUEUE"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SettingsInvalid, match="BROKER_URL"):
        Worker()


def test_prefetch_below_one_is_refused() -> None:
    with pytest.raises(SettingsInvalid, match="prefetch is 0"):
        Worker(build_settings(), prefetch=0)


# Handlers


async def work_later(item: Item) -> None:
    """Stand for a handler that is written for asyncio."""


def work_bit_by_bit(item: Item) -> Iterator[bytes]:
    yield item.body


async def work_later_bit_by_bit(item: Item) -> AsyncIterator[bytes]:
    yield item.body


def returning(begin: Callable[[Item], object]) -> Callable[[Item], object]:
    """Return a handler that nobody sees through before it is called."""

    def handle(item: Item) -> object:
        return begin(item)

    return handle


class LaterHandler:
    async def __call__(self, item: Item) -> None:
        """Stand for an object that is called."""

    async def handle(self, item: Item) -> None:
        """Stand for a bound method."""


@pytest.mark.parametrize(
    "handler",
    [
        pytest.param(work_later, id="coroutine function"),
        pytest.param(work_bit_by_bit, id="generator function"),
        pytest.param(work_later_bit_by_bit, id="asynchronous generator function"),
        pytest.param(functools.partial(work_later), id="partial"),
        pytest.param(functools.partial(functools.partial(work_bit_by_bit)), id="nested partial"),
        pytest.param(LaterHandler(), id="object"),
        pytest.param(functools.partial(LaterHandler()), id="partial of an object"),
        pytest.param(LaterHandler().handle, id="method"),
        pytest.param("convert", id="nothing to call"),
    ],
)
def test_handler_that_only_begins_the_work_is_refused_before_an_item_is_taken(
    handler: Any, tmp_path: Path
) -> None:
    message = tmp_path / "message"
    message.touch()
    plant = Plant(b"apple", termination_message_path=str(message))
    with pytest.raises(HandlerInvalid) as caught:
        plant.worker.run(handler)
    assert isinstance(caught.value, TypeError)
    assert "asyncio.run" in str(caught.value) or handler == "convert"
    assert (plant.take_next().attempt, plant.queue.count_left()) == (1, 1)
    assert '"note":"handler ' in message.read_text()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "handler",
    [
        pytest.param(returning(work_later), id="coroutine"),
        pytest.param(returning(work_bit_by_bit), id="generator"),
        pytest.param(returning(work_later_bit_by_bit), id="asynchronous generator"),
        pytest.param(lambda item: (one for one in item.body), id="generator expression"),
        pytest.param(functools.wraps(int)(returning(work_later)), id="wrapped"),
    ],
)
def test_item_is_given_back_when_its_handler_returns_work_to_do(handler: Any) -> None:
    plant = Plant(b"apple", b"fig")
    with pytest.raises(HandlerInvalid, match="returned"):
        plant.worker.run(handler)
    gc.collect()
    found = [plant.take_next() for _ in range(2)]
    assert {item.body: item.attempt for item in found} == {b"apple": 1, b"fig": 1}
    assert plant.letters == []


def test_task_that_a_handler_returns_is_cancelled() -> None:
    plant = Plant(b"apple")
    tasks = []

    async def main() -> None:
        def handle(item: Item) -> asyncio.Task[None]:
            tasks.append(asyncio.ensure_future(work_later(item)))
            return tasks[-1]

        with pytest.raises(HandlerInvalid):
            plant.worker.run(handle)
        await asyncio.wait(tasks)

    asyncio.run(main())
    assert tasks[0].cancelled()
    assert plant.take_next().attempt == 1


@pytest.mark.parametrize(
    "handler",
    [
        lambda item: asyncio.run(work_later(item)),
        lambda item: list(work_bit_by_bit(item)),
        functools.partial(lambda _, item: item.body, None),
        [].append,
        Item.ack,
    ],
)
def test_handler_that_does_the_work_is_called(handler: Any) -> None:
    plant = Plant(b"apple")
    plant.worker.run(handler)
    assert plant.queue.count_left() == 0
