"""Counting the queues beside a run's queue, on a clock that only the test moves."""

import asyncio
from dataclasses import dataclass, field

import pytest

from workqueuejob.brokers.rabbitmq.probe_connection import DeclaredQueue
from workqueuejob.brokers.rabbitmq.side_queues import (
    ABSENT_SECONDS,
    HANDOVER_SECONDS,
    SideQueueCounter,
)
from workqueuejob.errors import ConnectionFailed, QueueNotFound


@dataclass
class Broker:
    """Queues by name; what is not there is not found."""

    messages: dict[str, int] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    now: float = 100.0
    side: SideQueueCounter = field(init=False)

    def __post_init__(self) -> None:
        self.side = SideQueueCounter(self.declare, clock=lambda: self.now)

    async def declare(self, queue: str) -> DeclaredQueue:
        self.asked.append(queue)
        if queue not in self.messages:
            raise QueueNotFound(queue)
        return DeclaredQueue(messages=self.messages[queue], consumers=0)


@pytest.fixture
def broker() -> Broker:
    return Broker()


def test_delayed_items_are_those_of_all_delay_queues(broker: Broker) -> None:
    broker.messages = {"1s": 2, "2s": 3}
    assert asyncio.run(broker.side.count_delayed(["1s", "2s", "4s"])) == 5


def test_absent_queue_is_asked_for_again_only_after_a_while(broker: Broker) -> None:
    for _ in range(3):
        assert asyncio.run(broker.side.count("dead")) is None
    assert broker.asked == ["dead"]
    broker.messages["dead"] = 1
    broker.now += ABSENT_SECONDS
    assert asyncio.run(broker.side.count("dead")) == 1


def test_forgotten_absence_is_asked_about_at_once_but_not_twice(broker: Broker) -> None:
    asyncio.run(broker.side.count("1s"))
    broker.now += 1
    assert broker.side.forget_absence(["1s"], before=broker.now)
    broker.messages["1s"] = 1
    assert asyncio.run(broker.side.count("1s")) == 1
    assert not broker.side.forget_absence(["1s"], before=broker.now)


def test_what_was_found_absent_just_now_is_not_asked_for_again(broker: Broker) -> None:
    began = broker.now
    asyncio.run(broker.side.count("1s"))
    assert not broker.side.forget_absence(["1s"], before=began)


def test_item_that_just_left_its_delay_queue_is_counted_a_moment_longer(broker: Broker) -> None:
    broker.messages["1s"] = 2
    assert asyncio.run(broker.side.count_delayed(["1s"])) == 2
    broker.messages["1s"] = 0
    broker.now += HANDOVER_SECONDS
    assert asyncio.run(broker.side.count_delayed(["1s"])) == 2
    broker.now += 0.01
    assert asyncio.run(broker.side.count_delayed(["1s"])) == 0


def test_new_items_are_counted_at_once_and_not_added_to_those_that_left(broker: Broker) -> None:
    broker.messages["1s"] = 2
    asyncio.run(broker.side.count_delayed(["1s"]))
    broker.messages["1s"] = 3
    assert asyncio.run(broker.side.count_delayed(["1s"])) == 3
    broker.messages["1s"] = 1
    broker.now += HANDOVER_SECONDS / 2
    assert asyncio.run(broker.side.count_delayed(["1s"])) == 3


def test_lost_connection_is_no_absence() -> None:
    async def fail(_queue: str) -> DeclaredQueue:
        raise ConnectionFailed("mq:5672: refused; correct the host")

    side = SideQueueCounter(fail)
    with pytest.raises(ConnectionFailed):
        asyncio.run(side.count("1s"))
