"""What a message says of its item, and what a copy of it says."""

import struct
from typing import Any

import pytest
from pika import BasicProperties

from workqueuejob.brokers.broker import Delivery
from workqueuejob.brokers.rabbitmq.dead_letters import build_dead_letter
from workqueuejob.brokers.rabbitmq.items import (
    RETURNS_FREE,
    build_copy,
    build_failed,
    build_returned,
    comes_from_holding,
    read_history,
)
from workqueuejob.brokers.rabbitmq.properties import Properties, read_properties
from workqueuejob.brokers.rabbitmq.tables import Table

HELD: dict[str, object] = {
    "x-wqj-lost": True,
    "x-wqj-returned": 1,
    "x-delivery-count": 1,
    "x-death": [{"queue": "work.wqj-held-pod-1", "reason": "expired"}],
}
"""What RabbitMQ 4.0 hands over from the holding queue of a worker that was killed."""


def received(**named: Any) -> Properties:
    """Return properties as they come from a broker."""
    return read_properties(b"".join(BasicProperties(**named).encode()))


@pytest.mark.parametrize(
    ("headers", "redelivered", "attempt", "lost", "doubtful"),  # in the life "b"
    [
        (None, False, 1, False, False),
        ({"trace": "t"}, False, 1, False, False),
        ({"x-wqj-attempts": 2}, False, 3, False, False),
        ({"x-wqj-attempts": 2, "x-wqj-lost": True}, False, 3, True, False),
        (None, True, 1, False, True),
        ({"x-wqj-attempts": 2}, True, 3, False, True),
        ({"x-delivery-count": 3, "x-wqj-attempts": 2}, True, 3, False, True),
        ({"x-delivery-count": 7}, False, 1, False, False),
        ({"x-wqj-returned": 1}, False, 1, False, True),
        ({"x-wqj-returned": 1, "x-wqj-life": "b"}, False, 1, False, True),
        ({"x-wqj-returned": 1, "x-wqj-life": "b"}, True, 2, True, True),
        ({"x-wqj-returned": 1, "x-wqj-life": "a"}, True, 1, False, True),
        ({"x-wqj-life": "b", "x-wqj-attempts": 2, "x-wqj-lost": True}, True, 4, True, True),
        ({"x-wqj-life": "a", "x-wqj-attempts": 2, "x-wqj-lost": True}, True, 3, False, True),
        ({"x-wqj-life": "b", "x-wqj-attempts": 2, **HELD}, True, 3, True, True),
        ({"x-wqj-life": "b", "x-wqj-attempts": 2, **HELD}, False, 3, True, True),
        ({"x-wqj-returned": 10}, True, 1, False, True),
        ({"x-wqj-returned": 11, "x-wqj-attempts": 1}, False, 3, False, True),
        ({"x-wqj-attempts": "many"}, False, 1, False, False),
        ({"x-wqj-attempts": -4}, False, 1, False, False),
    ],
)
def test_attempts_are_what_was_written_and_never_what_the_broker_counted(
    headers: dict[str, object] | None,
    redelivered: bool,
    attempt: int,
    lost: bool,
    doubtful: bool,
) -> None:
    item = read_history(received(headers=headers), redelivered=redelivered, boot_id="b")
    assert (item.attempt, item.lost, item.doubtful) == (attempt, lost, doubtful)


@pytest.mark.parametrize(
    ("headers", "redelivered", "lost_attempts"),  # in the life "b"
    [
        ({"x-wqj-attempts": 2}, False, 0),
        ({"x-wqj-attempts": 2, "x-wqj-lost-attempts": 1}, False, 1),
        # A worker that does not count lost attempts marks the last one.
        ({"x-wqj-attempts": 2, "x-wqj-lost": True}, False, 1),
        ({"x-wqj-attempts": 2, "x-wqj-lost": True, "x-wqj-lost-attempts": 2}, False, 2),
        ({"x-wqj-life": "b", "x-wqj-attempts": 2, "x-wqj-lost-attempts": 1}, True, 2),
        ({"x-wqj-life": "a", "x-wqj-attempts": 2, "x-wqj-lost-attempts": 1}, True, 1),
        ({"x-wqj-returned": RETURNS_FREE + 2, "x-wqj-attempts": 1}, False, 2),
        ({"x-wqj-attempts": 1, "x-wqj-lost-attempts": 9}, False, 1),
        ({"x-wqj-attempts": 1, "x-wqj-lost-attempts": "many"}, False, 0),
    ],
)
def test_lost_attempts_are_some_of_the_attempts(
    headers: dict[str, object], redelivered: bool, lost_attempts: int
) -> None:
    item = read_history(received(headers=headers), redelivered=redelivered, boot_id="b")
    assert item.lost_attempts == lost_attempts


def test_lost_attempts_are_in_every_copy_but_the_dead_letter() -> None:
    headers = {"x-wqj-life": "b", "x-wqj-attempts": 2, "x-wqj-returned": RETURNS_FREE + 1}
    item = read_history(received(headers=headers), redelivered=True, boot_id="b")
    assert (item.attempt, item.lost_attempts) == (5, 2)
    copied = build_returned(received(headers=headers), item, boot_id="b")
    again = read_history(copied, redelivered=False)
    assert (again.attempt, again.lost_attempts) == (5, 2)
    delivery = Delivery("1", b"", attempt=5, lost_attempts=2, doubtful=True)
    failed = read_history(build_failed(copied, delivery, reason="no"), redelivered=False)
    assert (failed.attempt, failed.lost_attempts) == (6, 2)
    dead = build_dead_letter(copied, delivery, reason="", attempts=5, origin=("", ""))
    assert "x-wqj-lost-attempts" not in dead.headers.decode()


def test_item_may_come_back_ten_times_where_the_brokers_life_is_unknown() -> None:
    properties, attempts = received(), []
    for _ in range(RETURNS_FREE + 2):
        item = read_history(properties, redelivered=True)
        attempts.append(item.attempt)
        properties = build_returned(properties, item, boot_id="")
    assert attempts == [1] * RETURNS_FREE + [2, 3]


@pytest.mark.parametrize("headers", [None, {"x-wqj-returned": 4}])
def test_item_that_came_back_once_says_so_in_every_copy_but_its_dead_letter(
    headers: dict[str, object] | None,
) -> None:
    properties = received(headers=headers)
    item = read_history(properties, redelivered=headers is None)
    copied = build_returned(build_copy(properties, item, attempts=0), item, boot_id="b")
    assert copied.headers.decode()["x-wqj-returned"] == item.returns > 0
    dead = build_dead_letter(
        copied, Delivery("1", b"", doubtful=True), reason="", attempts=1, origin=("", "")
    )
    assert not {"x-wqj-returned", "x-wqj-life"} & dead.headers.decode().keys()


def test_id_is_the_producers_else_the_one_written_down_else_a_new_one() -> None:
    written = {"x-wqj-id": "ours"}
    assert read_history(received(message_id="m"), redelivered=False).id == "m"
    assert read_history(received(headers=written), redelivered=False).id == "ours"
    new = {read_history(received(), redelivered=False).id for _ in range(100)}
    assert len(new) == 100


@pytest.mark.parametrize(
    ("message_id", "read"),
    [(b"caf\xe9", "caf\\xe9"), ("two\nlines", "two\nlines"), ("$(reboot)", "$(reboot)")],
)
def test_id_is_text_whatever_bytes_it_is_made_of(message_id: str | bytes, read: str) -> None:
    for redelivered in (False, True):
        item = read_history(received(message_id=message_id), redelivered=redelivered)
        assert item.id == read
    written = received(headers={"x-wqj-id": message_id})
    assert read_history(written, redelivered=False).id == read


@pytest.mark.parametrize("attempts", [2**63 - 1, 2**31])
def test_count_that_no_header_could_go_on_from_can_be_written_into_a_copy(attempts: int) -> None:
    properties = received(headers={"x-wqj-attempts": attempts})
    item = read_history(properties, redelivered=False)
    copied = build_failed(properties, Delivery("1", b"", attempt=item.attempt), reason="no")
    assert b"x-wqj-attempts" in b"".join(copied.encode())


def test_headers_that_nobody_asks_for_stay_byte_for_byte() -> None:
    odd = {
        "when": b"T" + struct.pack(">Q", 1_795_000_000_000),
        "share": b"d" + struct.pack(">d", 0.75),
        "raw": b"S\x00\x00\x00\x01\xff",
    }
    headers = Table().with_fields(odd)
    properties = Properties().replace(headers=headers, without=(), delivery_mode=1)
    copied = build_failed(properties, Delivery("1", b""), reason="exit code 3")
    assert {name: copied.headers.find(name) for name in odd} == odd


@pytest.mark.parametrize(
    "deaths", [["a"], [["b"]], [None, {"queue": 5}], [{}], "text", {"queue": "x"}, 7]
)
def test_note_of_deaths_that_a_producer_made_up_stays(deaths: object) -> None:
    properties = received(headers={"x-death": deaths, "x-first-death-queue": ["c"]})
    copied = build_copy(properties, Delivery("1", b""), attempts=1)
    assert copied.headers.decode()["x-death"] == deaths


def test_copy_tells_nothing_of_the_queues_that_a_worker_adds_but_of_others() -> None:
    headers = {
        "x-death": [{"queue": "job.wqj-retry-1s"}, {"queue": "theirs"}],
        "x-first-death-queue": "theirs",
        "x-first-death-reason": "rejected",
        "x-last-death-queue": "job.wqj-retry-1s",
        "x-last-death-reason": "expired",
    }
    copied = build_copy(received(headers=headers), Delivery("1", b""), attempts=0)
    assert copied.headers.decode() == {
        "x-death": [{"queue": "theirs"}],
        "x-first-death-queue": "theirs",
        "x-first-death-reason": "rejected",
        "x-wqj-id": "1",
    }


def test_copy_leaves_the_original_as_it_is() -> None:
    properties = received(headers={"CC": ["others"]}, expiration="1000", delivery_mode=1)
    copied = build_failed(properties, Delivery("1", b"", attempt=2), reason="exit code 3")
    assert copied.headers.decode() == {
        "x-wqj-attempts": 2,
        "x-wqj-id": "1",
        "x-wqj-last-failure": "exit code 3",
    }
    written = BasicProperties().decode(b"".join(copied.encode()))
    assert (written.delivery_mode, written.expiration) == (2, None)
    original = BasicProperties().decode(b"".join(properties.encode()))
    assert original.headers == {"CC": ["others"]}
    assert (original.delivery_mode, original.expiration) == (1, "1000")


def test_item_from_a_holding_queue_is_known_until_it_is_noted() -> None:
    properties = received(headers=HELD)
    item = read_history(properties, redelivered=True, boot_id="b")
    noted = build_returned(properties, item, boot_id="b")
    assert (comes_from_holding(properties), comes_from_holding(noted)) == (True, False)
    assert read_history(noted, redelivered=False, boot_id="b").attempt == item.attempt
    assert read_history(noted, redelivered=True, boot_id="b").attempt == item.attempt + 1


@pytest.mark.parametrize(
    "headers",
    [
        None,
        {"trace": "t"},
        {"x-death": [{"queue": "work.wqj-retry-1s"}]},
        {"x-death": [{"queue": 5}, "odd"]},
        {"x-death": "odd"},
    ],
    ids=str,
)
def test_item_from_elsewhere_does_not_come_from_a_holding_queue(
    headers: dict[str, object] | None,
) -> None:
    assert not comes_from_holding(received(headers=headers))
