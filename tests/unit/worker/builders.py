"""A queue in memory on a clock that tests move, and workers at it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from workqueuejob.brokers.broker import Broker
from workqueuejob.brokers.memory.broker import MemoryBroker, MemoryQueue
from workqueuejob.brokers.redis.settings import RedisSource
from workqueuejob.contract.retry import RetrySettings
from workqueuejob.contract.settings import WorkerSettings
from workqueuejob.worker.engine import Engine
from workqueuejob.worker.item import Item
from workqueuejob.worker.reconnecting import Timing
from workqueuejob.worker.stop_request import StopRequest

RETRY = RetrySettings(max_attempts=3, initial_delay_seconds=0, dead_letter="dead")
ONE_ATTEMPT = RetrySettings(max_attempts=1, initial_delay_seconds=0, dead_letter="dead")


class Clock:
    """Time that passes when somebody sleeps. on_sleep: called then, with the time it is."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.on_sleep: Callable[[], None] = lambda: None

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.on_sleep()

    @property
    def timing(self) -> Timing:
        return Timing(self, self.sleep)


def build_settings(path: Path | str = "/nonexistent/message", **more: Any) -> WorkerSettings:
    settings: dict[str, Any] = {
        "source": RedisSource(key="job2"),
        "retry": RETRY,
        "termination_message_path": str(path),
        **more,
    }
    return WorkerSettings(**settings)


def take(engine: Engine) -> Item:
    """Return the next item, which must be there."""
    item = engine.next()
    assert item is not None
    return item


class Plant:
    """A queue, and an engine at it."""

    def __init__(self, *bodies: bytes, lease_seconds: float = 30, **settings: Any) -> None:
        self.clock = Clock()
        self.queue = MemoryQueue(
            lease_seconds=lease_seconds, clock=self.clock, sleep=self.clock.sleep
        )
        self.queue.put(*bodies)
        self.settings = build_settings(**settings)
        self.stop = StopRequest(self.settings.grace_seconds, clock=self.clock)
        self.broker = self.connect()
        self.engine = self.build_engine(lambda: self.broker)

    def connect(self) -> MemoryBroker:
        return MemoryBroker(self.queue, retry=self.settings.retry, pod="pod-1")

    def build_engine(self, open_broker: Callable[[], Broker]) -> Engine:
        return Engine(self.settings, open_broker, stop=self.stop, timing=self.clock.timing)

    @property
    def letters(self) -> list[tuple[bytes, str, int]]:
        return [(dead.body, dead.reason, dead.attempts) for dead in self.queue.dead_letters]
