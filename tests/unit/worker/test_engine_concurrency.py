"""An engine with several items in hand, at a queue in memory."""

import threading
from dataclasses import replace

from tests.unit.worker.builders import ONE_ATTEMPT, Plant, take
from workqueuejob.contract.report import ItemCounts
from workqueuejob.worker.item import Item


def take_all(plant: Plant) -> list[Item]:
    """Return the next item, and as many beside it as there is room for."""
    items = [take(plant.engine)]
    while (item := plant.engine.look(0)) is not None:
        items.append(item)
    return items


def test_as_many_items_are_in_hand_as_the_settings_allow() -> None:
    plant = Plant(b"a", b"b", b"c", b"d", concurrency=3)
    items = take_all(plant)
    assert [item.body for item in items] == [b"a", b"b", b"c"]
    assert not plant.engine.has_room
    items[1].ack()
    assert plant.engine.has_room
    found = plant.engine.look(0)
    assert found is not None
    assert found.body == b"d"


def test_no_more_are_taken_than_the_quota_lacks() -> None:
    plant = Plant(b"a", b"b", b"c", b"d", concurrency=3, quota=2)
    first, second = take_all(plant)
    first.fail("no good")
    third = plant.engine.look(0)
    assert third is not None
    assert plant.engine.look(0) is None
    second.ack()
    assert plant.broker.fetch_ahead is False
    third.ack()
    assert plant.engine.is_done


def test_stopped_worker_takes_nothing_beside_what_it_has_in_hand() -> None:
    plant = Plant(b"a", b"b", concurrency=2)
    item = take(plant.engine)
    plant.stop.request()
    assert plant.engine.look(0) is None
    assert item.ack()


def test_leases_of_all_items_are_renewed() -> None:
    plant = Plant(b"a", b"b", b"c", lease_seconds=30, concurrency=3)
    items = take_all(plant)
    for _ in range(10):
        plant.clock.sleep(20)
        plant.engine.renew()
    assert [item.ack() for item in items] == [True, True, True]


def test_one_lost_item_leaves_the_others_in_hand() -> None:
    plant = Plant(b"a", b"b", b"c", concurrency=3)
    items = take_all(plant)
    plant.queue.settle(items[1].delivery.handle.token)
    plant.engine.renew()
    assert [item.is_lost for item in items] == [False, True, False]
    assert [item.ack() for item in items] == [True, False, True]
    counts = plant.engine.report.counts
    assert (counts.succeeded, counts.leases_lost) == (2, 1)
    assert plant.engine.settlement.held == []


def lose_next(plant: Plant) -> None:
    """Let another worker take the next item and vanish; what the engine has in hand goes on."""
    assert plant.connect().take(timeout_seconds=0) is not None
    for _ in range(4):
        plant.clock.sleep(20)
        plant.engine.renew()


def test_item_without_an_attempt_left_is_put_aside_beside_others() -> None:
    once = replace(ONE_ATTEMPT, max_lost_attempts=1)
    plant = Plant(b"a", b"b", concurrency=2, retry=once)
    item = take(plant.engine)
    lose_next(plant)
    assert plant.engine.look(0) is None
    assert plant.engine.report.counts == ItemCounts(dead_lettered=1, attempts_lost=1)
    assert item.ack()


def is_left(plant: Plant, body: bytes) -> bool:
    """Return whether another worker would get that item now."""
    other = plant.connect()
    delivery = other.take(timeout_seconds=0)
    if delivery is None:
        return False
    other.release(delivery)
    return delivery.body == body


def test_item_whose_last_attempt_was_lost_waits_for_the_end_of_the_others() -> None:
    plant = Plant(b"a", b"b", b"c", b"d", concurrency=3)
    first = take(plant.engine)
    lose_next(plant)
    assert plant.engine.look(0) is None
    assert plant.engine.begun == (first,)
    assert not plant.engine.has_room
    first.ack()
    lone = take(plant.engine)
    assert (lone.body, lone.attempt) == (b"b", 2)
    # Nothing is taken beside it, nor came with what settled the one before.
    assert not plant.engine.has_room
    assert is_left(plant, b"c")
    lone.ack()
    assert [item.body for item in take_all(plant)] == [b"c", b"d"]


def test_nothing_is_taken_beside_an_item_whose_last_attempt_was_lost() -> None:
    plant = Plant(b"a", b"b", concurrency=2)
    lose_next(plant)
    lone = take(plant.engine)
    assert lone.body == b"a"
    assert plant.engine.look(0) is None
    assert plant.engine.begun == (lone,)
    assert is_left(plant, b"b")


def test_item_that_waits_for_the_others_keeps_its_lease() -> None:
    plant = Plant(b"a", b"b", concurrency=2)
    first = take(plant.engine)
    lose_next(plant)
    assert plant.engine.look(0) is None
    for _ in range(5):
        plant.clock.sleep(20)
        plant.engine.renew()
    first.ack()
    assert take(plant.engine).ack()


def test_item_that_waits_is_given_back_where_the_worker_stops() -> None:
    plant = Plant(b"a", b"b", concurrency=2)
    first = take(plant.engine)
    lose_next(plant)
    assert plant.engine.look(0) is None
    plant.stop.request()
    first.ack()
    assert plant.engine.next() is None
    assert plant.engine.report.counts == ItemCounts(succeeded=1, attempts_lost=1, released=1)
    assert is_left(plant, b"b")


def test_item_that_waits_is_given_back_where_the_worker_ends_by_an_error() -> None:
    plant = Plant(b"a", b"b", concurrency=2)
    take(plant.engine)
    lose_next(plant)
    assert plant.engine.look(0) is None
    plant.engine.close()
    assert plant.engine.report.counts == ItemCounts(attempts_lost=1, released=1)
    assert is_left(plant, b"b")


def test_item_that_is_lost_while_it_waits_is_not_begun() -> None:
    plant = Plant(b"a", b"b", b"c", concurrency=2)
    first = take(plant.engine)
    lose_next(plant)
    assert plant.engine.look(0) is None
    (waiting,) = (item for item in plant.engine.settlement.held if item is not first)
    plant.queue.settle(waiting.delivery.handle.token)
    plant.engine.renew()
    first.ack()
    assert take(plant.engine).body == b"c"


def test_worker_with_one_item_in_hand_works_on_a_lost_one_as_on_any_other() -> None:
    plant = Plant(b"a", b"b", b"c")
    first = take(plant.engine)
    lose_next(plant)
    first.ack()
    assert not is_left(plant, b"b")
    second = take(plant.engine)
    assert (second.body, second.attempt) == (b"b", 2)
    assert second.ack()
    assert take(plant.engine).body == b"c"


def test_item_that_was_settled_for_its_limit_is_not_settled_again() -> None:
    plant = Plant(b"a", retry=ONE_ATTEMPT, concurrency=2)
    item = take(plant.engine)
    thread = threading.Thread(target=item.fail, args=("timed out",))
    thread.start()
    thread.join()
    assert item.ack()
    assert plant.engine.report.counts == ItemCounts(dead_lettered=1, attempts_failed=1)


def test_outage_ends_when_the_last_of_several_calls_has_succeeded() -> None:
    plant = Plant(b"a", b"b", concurrency=2)
    items = take_all(plant)
    plant.broker.cut()
    notes: list[str] = []
    plant.clock.on_sleep = lambda: notes.append(plant.engine.report.noted)
    assert [item.ack() for item in items] == [True, True]
    assert notes
    assert all(notes)
    assert plant.engine.report.noted == ""
