"""The threads of `Worker.run` beside an engine whose clock the test moves."""

import threading
import time

from tests.unit.worker.builders import Plant
from workqueuejob.contract.report import ItemCounts
from workqueuejob.worker.handler_threads import HandlerThreads


def test_handlers_that_have_ended_are_not_late_although_they_are_heard_of_late() -> None:
    plant = Plant(b"a", b"b", b"c", b"d", concurrency=4, item_timeout_seconds=10, idle_seconds=0)
    moved: list[bool] = []

    def look_at_the_clock() -> float:
        if not moved and plant.engine.report.counts.succeeded == len("abcd"):
            # As where the taking thread is kept from running for longer than the limit.
            moved.append(True)
            time.sleep(0.1)
            plant.clock.now += 100
        return plant.clock()

    plant.engine.clock = look_at_the_clock
    together = threading.Barrier(len("abcd"))
    threads = HandlerThreads(plant.engine, plant.stop, lambda _: together.wait(20))
    threads.run()
    assert moved
    assert not threads.is_still_at_work
    assert plant.engine.report.counts == ItemCounts(succeeded=4)
