"""A worker at a queue in memory, as a process of its own; its first argument is a file of JSON.

items, retry, settings   the queue and its worker; frozen: another one has every item soon;
                         starved: no item fits into its memory; headers: of all items
loop                     Python for the library's loop; otherwise `run` with the other arguments
message                  the termination message's path; the queue's end is written beside it
"""

import json
import os
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from workqueuejob.brokers.broker import Delivery
from workqueuejob.brokers.envelope import Envelope
from workqueuejob.brokers.memory.broker import MemoryBroker, MemoryQueue
from workqueuejob.brokers.redis.settings import RedisSource
from workqueuejob.contract.retry import RetrySettings
from workqueuejob.contract.settings import (
    DeliverySettings,
    WorkerSettings,
    write_settings,
)
from workqueuejob.worker import Worker
from workqueuejob.worker.command_line import parse
from workqueuejob.worker.main import run


class OvertakenBroker(MemoryBroker):
    """Finds at its first renewal that somebody else has settled what it holds."""

    def renew(self, held: Collection[Delivery]) -> Collection[Delivery]:
        for delivery in held:
            self.queue.settle(delivery.handle.token)
        return held


class StarvedBroker(MemoryBroker):
    """Has no room for an item."""

    def take(self, *, timeout_seconds: float) -> Delivery | None:  # noqa: ARG002 - a fake
        raise MemoryError


def main() -> int:
    told: dict[str, Any] = json.loads(Path(sys.argv[1]).read_text())
    own = os.getpid()
    more = {"idle_seconds": 0.1, **told["settings"]}
    if "delivery" in more:
        more["delivery"] = DeliverySettings(**more["delivery"])
    retry = RetrySettings(initial_delay_seconds=0, dead_letter="dead", **told["retry"])
    settings = WorkerSettings(
        source=RedisSource(key="job2"),
        retry=retry,
        termination_message_path=told["message"],
        **more,
    )
    queue = MemoryQueue(lease_seconds=told["lease_seconds"])
    bodies = (item.encode("latin-1") for item in told["items"])
    headers = {name: text.encode("latin-1") for name, text in told["headers"].items()}
    queue.put(*bodies, envelope=Envelope(headers=headers))
    broker = MemoryBroker(queue, retry=retry)
    if told["frozen"]:
        broker = OvertakenBroker(queue, retry=retry)
    if told["starved"]:
        broker = StarvedBroker(queue, retry=retry)
    try:
        if told["loop"]:
            return work(told["loop"], settings, broker)
        environ = {**os.environ, **write_settings(settings)}

        def open_broker(_settings: WorkerSettings, _environ: Mapping[str, str]) -> MemoryBroker:
            return broker

        return run(parse(sys.argv[2:]), environ, open_broker=open_broker)
    finally:
        # A child that the loop forked may come by here, with a copy of the queue.
        if os.getpid() == own:
            letters = [
                [dead.body[:100].decode("latin-1"), dead.reason] for dead in queue.dead_letters
            ]
            end = {"left": queue.count_left(), "letters": letters}
            Path(told["message"]).with_suffix(".queue").write_text(json.dumps(end))


def work(loop: str, settings: WorkerSettings, broker: MemoryBroker) -> int:
    names: dict[str, Any] = {"settings": settings, "broker": broker}
    if "AsyncWorker" not in loop:
        names["worker"] = Worker(settings, broker=broker)
    exec(loop, names)  # noqa: S102 - a test's own
    return 0


if __name__ == "__main__":
    sys.exit(main())
