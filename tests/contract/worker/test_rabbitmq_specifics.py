"""What RabbitMQ has and other brokers have not: headers, permissions, cancels, timeouts, TLS."""

import os
import signal
import struct
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, nullcontext, suppress
from dataclasses import replace
from typing import Any

import pytest

from dev.servers.rabbitmq import ADMIN
from tests.builders import a_nested_field
from tests.contract.worker.conftest import open_bench
from tests.contract.worker.rabbitmq_bench import (
    DEAD,
    PERSISTENT,
    QUEUE,
    ClassicBench,
    QuorumBench,
    RabbitMQWorkerBench,
)
from tests.contract.worker.test_worker_contract import (
    ONCE_IDLE_SECONDS,
    drain,
    eventually_left,
    lose,
    take,
)
from tests.unit.worker.builders import build_settings
from workqueuejob.brokers.broker import Broker, Delivery
from workqueuejob.brokers.connection import TLSSettings
from workqueuejob.brokers.rabbitmq.items import RETURNS_FREE
from workqueuejob.brokers.rabbitmq.names import boot_id_queue, delay_queue
from workqueuejob.brokers.rabbitmq.properties import Properties
from workqueuejob.brokers.rabbitmq.settings import RabbitMQConnection, RabbitMQSource
from workqueuejob.brokers.rabbitmq.tables import Table
from workqueuejob.contract.report import ItemCounts
from workqueuejob.contract.retry import RetrySettings
from workqueuejob.errors import (
    AuthenticationFailed,
    AuthorizationFailed,
    BrokerUnavailable,
    DeadLetterTargetMissing,
    LeaseLost,
    PublishingUnavailable,
    QueueNotFound,
)
from workqueuejob.worker.engine import Engine
from workqueuejob.worker.stop_request import StopRequest

pytestmark = [pytest.mark.rabbitmq, pytest.mark.starts_early]

Keep = Callable[[Broker], Broker]
CONSUMER_TIMEOUT_SECONDS = 2
HEARTBEAT_SECONDS = 2


@pytest.fixture(params=[ClassicBench, QuorumBench], ids=["classic", "quorum"])
def bench(request: pytest.FixtureRequest) -> RabbitMQWorkerBench:
    kind: type[RabbitMQWorkerBench] = request.param
    return open_bench(kind, request)


@pytest.fixture
def classic(request: pytest.FixtureRequest) -> RabbitMQWorkerBench:
    return open_bench(ClassicBench, request)


@pytest.fixture
def quorum(request: pytest.FixtureRequest) -> RabbitMQWorkerBench:
    return open_bench(QuorumBench, request)


@pytest.fixture
def keep(stack: ExitStack) -> Keep:
    """Have a broker closed after the test."""

    def close_after_the_test(broker: Broker) -> Broker:
        stack.callback(broker.close)
        return broker

    return close_after_the_test


def restricted(bench: RabbitMQWorkerBench, **permissions: str) -> RabbitMQConnection:
    """Return settings of a user with these permissions, and all others."""
    bench.server.add_user("restricted", password="secret")
    bench.server.allow("restricted", bench.vhost, **permissions)
    return replace(bench.settings(), username="restricted", password="secret")


def work(broker: Broker, item: Delivery, seconds: float) -> bool:
    """Renew the item for so long, as its keeper does; say whether it stayed ours."""
    ends_at = time.monotonic() + seconds
    while time.monotonic() < ends_at:
        if broker.renew([item]):
            return False
        time.sleep(min(broker.renew_seconds, 0.2))
    return True


# What an item carries


def test_properties_and_headers_stay_over_retry_and_dead_letter(
    bench: RabbitMQWorkerBench, keep: Keep
) -> None:
    bench.produce(
        b"apple",
        message_id="m-1",
        correlation_id="c-1",
        content_type="application/json",
        content_encoding="gzip",
        reply_to="answers",
        type="fruit",
        app_id="shop",
        timestamp=1700000000,
        priority=3,
        headers={"trace": "t-1", "nested": {"a": [1, "b"]}},
    )
    broker = keep(bench.connect(pod="pod-7"))
    broker.retry(take(broker), reason="exit code 3", delay_seconds=1)
    again = take(broker)
    assert (again.id, again.attempt) == ("m-1", 2)
    broker.dead_letter(again, reason="exit code 4")
    ((dead, body),) = bench.peek(DEAD)
    assert body == b"apple"
    assert (dead.message_id, dead.correlation_id, dead.reply_to) == ("m-1", "c-1", "answers")
    assert (dead.content_type, dead.content_encoding) == ("application/json", "gzip")
    assert (dead.type, dead.app_id, dead.timestamp, dead.priority) == (
        "fruit",
        "shop",
        1700000000,
        3,
    )
    assert dead.delivery_mode == 2
    said = {k: v for k, v in dead.headers.items() if not k.endswith("-time")}
    assert said == {
        "trace": "t-1",
        "nested": {"a": [1, "b"]},
        "x-wqj-dead-letter-reason": "exit code 4",
        "x-wqj-dead-letter-attempts": 2,
        "x-wqj-dead-letter-pod": "pod-7",
        "x-wqj-dead-letter-queue": QUEUE,
    }


@pytest.mark.parametrize(
    "properties",
    [
        {"message_id": b"caf\xe9\0\r\n"},
        {"message_id": "$(reboot)" * 28, "correlation_id": b"\xff"},
        {"headers": {"x-wqj-attempts": "many", "x-wqj-id": {"a": b"\xff"}}},
        {"headers": {"x-wqj-attempts": [3], "x-delivery-count": b"\0"}},
        {"headers": {"x-death": ["a", {"queue": 5}], "x-first-death-queue": [1]}},
        {"headers": {"x-wqj-dead-letter-reason": 7, "x-wqj-lost": "yes"}},
        {"headers": {b"caf\xe9": b"\xff" * 1000, "deep": {"a": [{"b": None}]}}},
        {"priority": 255, "expiration": "86400000", "type": b"\xff", "content_encoding": b"\xfe"},
    ],
    ids=str,
)
def test_item_of_odd_properties_is_retried_and_dead_lettered_like_any_other(
    bench: RabbitMQWorkerBench, keep: Keep, properties: dict[str, Any]
) -> None:
    bench.produce(b"apple", **properties)
    broker = keep(bench.connect())
    first = take(broker)
    assert isinstance(first.id, str)
    broker.retry(first, reason="exit code 3", delay_seconds=0)
    again = take(broker)
    assert again.attempt == first.attempt + 1
    broker.dead_letter(again, reason="exit code 4")
    ((dead, body),) = bench.peek(DEAD)
    assert (body, dead.message_id) == (b"apple", properties.get("message_id"))


@pytest.mark.parametrize(
    "odd",
    [
        b"T" + struct.pack(">Q", 1_795_000_000_000),
        b"T" + struct.pack(">Q", 2**64 - 1),
        b"d" + struct.pack(">d", 0.75),
        b"d" + struct.pack(">d", 1e300),
        b"D\xff" + struct.pack(">i", 7),
        b"S\x00\x00\x00\x02\xff\xfe",
        b"F" + struct.pack(">I", 60_000) + b"\x01kt\x01" * 15_000,
        a_nested_field(3_000),
    ],
    ids=lambda field: repr(field[:12]),
)
def test_item_with_a_header_that_can_not_be_decoded_is_done_and_keeps_it(
    bench: RabbitMQWorkerBench, keep: Keep, odd: bytes
) -> None:
    headers = Table().with_fields({"odd": odd})
    properties = Properties().replace(headers=headers, without=(), delivery_mode=PERSISTENT)
    bench.produce(b"before")
    bench.channel.basic_publish("", QUEUE, b"odd", properties)
    bench.produce(b"after")
    broker = keep(bench.connect())
    for body in (b"before", b"odd", b"after"):
        item = take(broker)
        assert item.body == body
        broker.dead_letter(item, reason="exit code 3")
    bench.source = RabbitMQSource(queue=DEAD)
    letters = keep(bench.connect())
    for body, found in ((b"before", b""), (b"odd", odd), (b"after", b"")):
        letter = take(letters)
        letters.ack(letter)
        assert (letter.body, letter.handle.properties.headers.find("odd")) == (body, found)


def test_id_that_was_made_up_stays_over_our_own_copies(
    bench: RabbitMQWorkerBench, keep: Keep
) -> None:
    bench.produce(b"apple")
    broker = keep(bench.connect())
    first = take(broker)
    broker.retry(first, reason="exit code 3", delay_seconds=0)
    second = take(broker)
    broker.release(second)
    assert {first.id, second.id, take(broker).id} == {first.id}


def test_copy_is_delivered_to_its_queue_only_and_does_not_expire(
    classic: RabbitMQWorkerBench, keep: Keep
) -> None:
    classic.declare("copies")
    classic.produce(
        b"apple", expiration="600000", user_id=ADMIN[0], headers={"CC": ["copies"], "own": "1"}
    )
    broker = keep(classic.connect(settings=restricted(classic)))
    broker.dead_letter(take(broker), reason="no good")
    ((dead, _),) = classic.peek(DEAD)
    assert (dead.expiration, dead.user_id, dead.headers["own"]) == (None, None, "1")
    assert len(classic.peek("copies")) == 1


def test_dead_letter_that_is_moved_back_is_tried_anew(
    bench: RabbitMQWorkerBench, keep: Keep
) -> None:
    bench.produce(b"apple")
    broker = keep(bench.connect())
    broker.retry(take(broker), reason="exit code 3", delay_seconds=0)
    broker.dead_letter(take(broker), reason="no good")
    ((dead, body),) = bench.peek(DEAD)
    bench.channel.basic_publish("", QUEUE, body, dead)
    item = take(broker)
    assert (item.attempt, item.lost) == (1, False)


def test_item_that_was_only_looked_at_has_all_its_attempts(
    bench: RabbitMQWorkerBench, keep: Keep
) -> None:
    bench.produce(b"apple")
    for _ in range(10):
        method, _, _ = bench.channel.basic_get(QUEUE)
        bench.channel.basic_nack(method.delivery_tag, requeue=True)
    broker = keep(bench.connect())
    item = take(broker)
    assert (item.attempt, item.lost, item.redelivered) == (1, False, True)
    broker.release(item)
    broker.close()
    ((properties, _),) = bench.peek(QUEUE)
    assert "x-wqj-attempts" not in properties.headers
    # No delivery limit is met.
    assert properties.headers.get("x-delivery-count", 0) == 0


def test_fetched_but_never_begun_is_no_attempt_of_a_killed_worker(
    bench: RabbitMQWorkerBench, keep: Keep
) -> None:
    bench.produce(*[b"%d" % number for number in range(5)])
    killed = keep(bench.connect(prefetch=5))
    take(killed)
    bench.kill(killed)
    broker = keep(bench.connect())
    for _ in range(5):
        item = take(broker)
        assert item.attempt == 1
        broker.ack(item)
    assert broker.take(timeout_seconds=ONCE_IDLE_SECONDS) is None


def test_life_of_a_broker_is_known_to_all_workers_and_ends_with_it(
    bench: RabbitMQWorkerBench, keep: Keep
) -> None:
    bench.produce(b"apple")
    lose(bench, lambda: keep(bench.connect()), losses=2)
    broker = keep(bench.connect())
    assert take(broker).attempt == 2
    # What a restart does to it: the message that tells it is not persistent.
    bench.server.api("DELETE", "queues", bench.vhost, boot_id_queue(QUEUE), "contents")
    bench.kill(broker)
    item = take(keep(bench.connect()))
    assert (item.attempt, item.lost, item.redelivered) == (2, False, True)


def test_deadly_item_ends_where_the_brokers_life_is_unknown_too(
    classic: RabbitMQWorkerBench, keep: Keep
) -> None:
    classic.produce(b"poison")
    settings, once = restricted(classic, configure="^$"), RetrySettings(max_attempts=1)
    for deaths in range(RETURNS_FREE + 1):
        broker = keep(classic.connect(settings=settings, retry=once))
        assert take(broker).attempt == 1, f"dead after {deaths}"
        classic.kill(broker)
    assert take(keep(classic.connect(settings=settings, retry=once))).attempt == 2


def test_long_reason_fits_the_headers(classic: RabbitMQWorkerBench, keep: Keep) -> None:
    classic.produce(b"apple")
    broker = keep(classic.connect())
    broker.dead_letter(take(broker), reason="ö" * 1_000_000)
    assert len(classic.dead_letters()[0].reason) >= 1000


# Queues that are not there, full, or forbidden


def test_missing_dead_letter_queue_leaves_the_item_where_it_is(
    bench: RabbitMQWorkerBench, keep: Keep
) -> None:
    bench.produce(b"apple")
    broker = keep(bench.connect(retry=RetrySettings(dead_letter="nowhere")))
    item = take(broker)
    with pytest.raises(DeadLetterTargetMissing, match=r"'nowhere' not found on .*; create it"):
        broker.dead_letter(item, reason="no good")
    broker.release(item)
    assert take(broker).attempt == 1


def test_full_dead_letter_queue_leaves_the_item_where_it_is(
    classic: RabbitMQWorkerBench, keep: Keep
) -> None:
    full: dict[str, Any] = {"x-max-length": 0, "x-overflow": "reject-publish"}
    classic.declare("full", **full)
    classic.produce(b"apple")
    broker = keep(classic.connect(retry=RetrySettings(dead_letter="full")))
    item = take(broker)
    with pytest.raises(DeadLetterTargetMissing, match="'full' takes no items"):
        broker.dead_letter(item, reason="no good")
    broker.ack(item)


def test_item_of_a_full_queue_is_given_back_all_the_same(
    classic: RabbitMQWorkerBench, keep: Keep
) -> None:
    policy = {"pattern": ".*", "definition": {"max-length": 1, "overflow": "reject-publish"}}
    classic.server.api("PUT", "policies", classic.vhost, "short", body={**policy, "priority": 0})
    classic.produce(b"apple")
    broker = keep(classic.connect())
    item = take(broker)
    classic.produce(b"banana")
    broker.release(item)
    assert sorted(drain(broker)) == [b"apple", b"banana"]


def test_deleted_delay_queue_is_made_anew(classic: RabbitMQWorkerBench, keep: Keep) -> None:
    classic.produce(b"apple")
    broker = keep(classic.connect())
    item = take(broker)
    classic.server.api("DELETE", "queues", classic.vhost, delay_queue(QUEUE, 1))
    broker.retry(item, reason="exit code 3", delay_seconds=1)
    assert take(broker).attempt == 2


def test_delay_queue_with_other_arguments_is_used_as_it_is(
    classic: RabbitMQWorkerBench, keep: Keep
) -> None:
    other: dict[str, Any] = {
        "x-message-ttl": 100,
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": QUEUE,
    }
    classic.declare(delay_queue(QUEUE, 1), **other)
    classic.produce(b"apple")
    broker = keep(classic.connect())
    broker.retry(take(broker), reason="exit code 3", delay_seconds=1)
    assert take(broker).attempt == 2


def test_missing_queue_is_named(classic: RabbitMQWorkerBench) -> None:
    classic.source = RabbitMQSource(queue="nowhere")
    with pytest.raises(QueueNotFound, match="'nowhere' not found"):
        classic.connect()


def test_missing_permission_to_declare_is_named_at_once(classic: RabbitMQWorkerBench) -> None:
    settings = restricted(classic, configure="^$")
    with pytest.raises(AuthorizationFailed, match=r"'restricted' may not declare .*'configure'"):
        classic.connect(settings=settings)


def test_without_delays_nothing_needs_to_be_declared(
    classic: RabbitMQWorkerBench, keep: Keep
) -> None:
    classic.produce(b"apple")
    settings = restricted(classic, configure="^$")
    once = RetrySettings(max_attempts=1, dead_letter=DEAD)
    broker = keep(classic.connect(settings=settings, retry=once))
    broker.dead_letter(take(broker), reason="no good")
    assert len(classic.dead_letters()) == 1


def test_missing_permission_to_publish_is_named_at_once(classic: RabbitMQWorkerBench) -> None:
    settings = restricted(classic, write="^$")
    with pytest.raises(AuthorizationFailed, match=r"may not publish .*'write' on 'amq.default'"):
        classic.connect(settings=settings)


def test_missing_permission_to_read_is_named_at_once(classic: RabbitMQWorkerBench) -> None:
    settings = restricted(classic, read="^$")
    with pytest.raises(AuthorizationFailed, match=r"may not consume .*'read'"):
        classic.connect(settings=settings)


def test_wrong_password_is_told_apart_from_an_outage(classic: RabbitMQWorkerBench) -> None:
    with pytest.raises(AuthenticationFailed):
        classic.connect(settings=replace(classic.settings(), password="wr0ng-one"))
    with pytest.raises(BrokerUnavailable, match="refused"):
        classic.connect(settings=replace(classic.settings(), port=1))


# Connections, channels and consumers that end


def test_deleted_queue_is_a_lost_lease(bench: RabbitMQWorkerBench, keep: Keep) -> None:
    bench.produce(b"apple")
    broker = keep(bench.connect())
    item = take(broker)
    bench.server.api("DELETE", "queues", bench.vhost, QUEUE)
    assert not work(broker, item, 5)
    with pytest.raises(LeaseLost):
        broker.ack(item)
    with pytest.raises(QueueNotFound):
        broker.take(timeout_seconds=1)
    bench.declare(QUEUE, bench.queue_type)
    bench.produce(b"banana")
    assert take(broker).body == b"banana"


def test_broker_that_hangs_is_no_empty_queue(
    classic: RabbitMQWorkerBench, keep: Keep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workqueuejob.brokers.rabbitmq.connection.REPLY_TIMEOUT_SECONDS", 0.5)
    broker = keep(classic.connect())
    with classic.server.suspended(), pytest.raises(BrokerUnavailable, match="timeout"):
        broker.take(timeout_seconds=1.5)
    classic.produce(b"apple")
    assert take(broker).body == b"apple"


def test_item_that_takes_longer_than_the_heartbeat_is_processed_once(
    bench: RabbitMQWorkerBench, keep: Keep
) -> None:
    bench.produce(b"apple")
    bench.heartbeat_seconds = HEARTBEAT_SECONDS
    broker = keep(bench.connect())
    item = take(broker)
    bench.heartbeat_seconds = 60
    other = keep(bench.connect(pod="pod-2"))
    assert work(broker, item, 2.5 * HEARTBEAT_SECONDS)
    broker.ack(item)
    assert other.take(timeout_seconds=0.5) is None
    assert eventually_left(bench, 0)


def test_frozen_worker_does_not_acknowledge_what_another_took_over(
    bench: RabbitMQWorkerBench, keep: Keep
) -> None:
    bench.produce(b"apple")
    frozen = start_worker(bench)
    try:
        assert frozen.stdout is not None
        assert frozen.stdout.readline() == "took apple\n"
        os.kill(frozen.pid, signal.SIGSTOP)
        other = keep(bench.connect(pod="pod-2"))
        item = take(other, 10 * HEARTBEAT_SECONDS)
        assert (item.attempt, item.redelivered) == (1, True)
        os.kill(frozen.pid, signal.SIGCONT)
        told, _ = frozen.communicate("go on\n", timeout=10)
        assert told == "LeaseLost\n"
    finally:
        frozen.kill()
        frozen.wait()
    assert bench.count_left() == 1
    other.ack(item)
    assert eventually_left(bench, 0)


def start_worker(bench: RabbitMQWorkerBench) -> "subprocess.Popen[str]":
    """Start a process that takes an item, waits for a line, and acknowledges."""
    script = f"""
        from workqueuejob.errors import LeaseLost
        from workqueuejob.brokers.rabbitmq.settings import RabbitMQConnection, RabbitMQSource
        from workqueuejob.contract.retry import RetrySettings
        from workqueuejob.brokers.rabbitmq.broker import open_broker

        connection = RabbitMQConnection(
            host={bench.server.host!r}, port={bench.server.ports.amqp},
            virtual_host={bench.vhost!r}, username={ADMIN[0]!r}, password={ADMIN[1]!r},
        )
        broker = open_broker(
            connection, RabbitMQSource(queue={QUEUE!r}), retry=RetrySettings(), run="",
            pod="frozen", heartbeat_seconds={HEARTBEAT_SECONDS},
        )
        item = broker.take(timeout_seconds=10)
        print("took", item.body.decode(), flush=True)
        input()
        try:
            broker.ack(item)
        except LeaseLost:
            print("LeaseLost")
    """
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


# The broker's consumer timeout


@pytest.fixture
def impatient(bench: RabbitMQWorkerBench) -> Iterator[RabbitMQWorkerBench]:
    """A broker that closes the channel of whoever holds an item for long."""
    bench.source = replace(bench.source, consumer_timeout_seconds=CONSUMER_TIMEOUT_SECONDS)
    with bench.server.consumer_timeout(CONSUMER_TIMEOUT_SECONDS):
        yield bench


def test_item_that_takes_longer_than_the_consumer_timeout_is_processed_once(
    impatient: RabbitMQWorkerBench, keep: Keep
) -> None:
    impatient.produce(b"apple")
    broker = keep(impatient.connect())
    item = take(broker)
    other = keep(impatient.connect(pod="pod-2"))
    assert work(broker, item, 2.5 * CONSUMER_TIMEOUT_SECONDS)
    assert impatient.count_left() == 1
    broker.ack(item)
    assert other.take(timeout_seconds=1) is None
    assert eventually_left(impatient, 0)


def test_moved_item_of_a_killed_worker_comes_back_as_another_attempt(
    impatient: RabbitMQWorkerBench, keep: Keep
) -> None:
    produced = impatient.produce_whole()
    broker = keep(impatient.connect())
    assert work(broker, take(broker), CONSUMER_TIMEOUT_SECONDS)
    impatient.kill(broker)
    item = take(keep(impatient.connect()))
    assert (item.id, item.attempt, item.lost) == ("m-1", 2, True)
    assert item.read_envelope() == produced.envelope


def test_each_delivery_of_an_item_that_moves_and_kills_counts_once(
    impatient: RabbitMQWorkerBench, keep: Keep
) -> None:
    """From 4.0 on a quorum queue passes on how often it delivered what expired in it."""
    impatient.produce(b"apple")
    # The first one is free, and noted.
    lose(impatient, lambda: keep(impatient.connect()), losses=1)
    for attempt in (1, 2):
        broker = keep(impatient.connect())
        item = take(broker)
        assert (item.attempt, item.lost) == (attempt, attempt > 1)
        assert work(broker, item, CONSUMER_TIMEOUT_SECONDS)
        impatient.kill(broker)
    lose(impatient, lambda: keep(impatient.connect()), losses=1)
    item = take(keep(impatient.connect()))
    assert (item.attempt, item.lost) == (4, True)


def test_item_of_a_killed_worker_remembers_its_last_failure(
    bench: RabbitMQWorkerBench, keep: Keep
) -> None:
    bench.produce(b"apple")
    broker = keep(bench.connect())
    broker.retry(take(broker), reason="exit code 3", delay_seconds=0)
    again = take(broker)
    assert (again.attempt, again.lost, again.last_failure) == (2, False, "exit code 3")
    bench.kill(broker)
    lose(bench, lambda: keep(bench.connect()), losses=1)
    after = take(keep(bench.connect()))
    assert (after.attempt, after.lost, after.last_failure) == (3, True, "exit code 3")


def test_item_that_may_not_move_is_lost_where_the_timeout_holds_and_said_to_be(
    impatient: RabbitMQWorkerBench, keep: Keep, capfd: pytest.CaptureFixture[str]
) -> None:
    impatient.produce(b"apple")
    broker = keep(impatient.connect(settings=restricted(impatient, configure=r"wqj-retry-\d+s$")))
    item = take(broker)
    # 4.3 knows no consumer timeout of classic queues any more.
    is_held = impatient.queue_type == "classic" and impatient.server.version >= (4, 3)
    assert work(broker, item, 3 * CONSUMER_TIMEOUT_SECONDS) == is_held
    with nullcontext() if is_held else pytest.raises(LeaseLost):
        broker.ack(item)
    assert eventually_left(impatient, 0 if is_held else 1)
    (warning,) = [one for one in capfd.readouterr().err.splitlines() if "consumer timeout" in one]
    assert "'restricted' may not declare queue" in warning


# TLS


def test_client_certificate_logs_in_over_tls(classic: RabbitMQWorkerBench, keep: Keep) -> None:
    certificates = classic.server.certificates
    classic.server.add_user(certificates.client_name)
    classic.server.allow(certificates.client_name, classic.vhost)
    settings = replace(
        classic.settings(),
        port=classic.server.ports.amqps,
        username="",
        password="",
        auth_mechanism="EXTERNAL",
        tls=TLSSettings(
            ca=certificates.ca,
            client_certificate=certificates.client_certificate,
            client_key=certificates.client_key,
        ),
    )
    bodies = [b"x" * 2**20, *(b"%d" % number for number in range(50))]
    classic.produce(*bodies)
    broker = keep(classic.connect(settings=settings, prefetch=5))
    assert drain(broker) == bodies
    classic.server.api("DELETE", "users", certificates.client_name)


# Headers that fill a frame, and delay queues that take nothing


FRAME_BYTES = 131_072


@pytest.mark.parametrize("room", [100, 600], ids=["for no count", "for no reason"])
def test_failing_item_whose_headers_fill_a_frame_is_put_aside(
    classic: RabbitMQWorkerBench, room: int
) -> None:
    classic.produce(b"apple", headers={"small": "kept", "large": "x" * (FRAME_BYTES - room)})
    retry = RetrySettings(2, 0, dead_letter=DEAD)
    settings = build_settings(retry=retry, idle_seconds=1)
    engine = Engine(settings, lambda: classic.connect(retry=retry), stop=StopRequest(30.0))
    attempts = 0
    while (item := engine.next()) is not None:
        attempts += 1
        item.fail("no good " * 100)
    assert attempts <= 2
    ((properties, body),) = classic.peek(DEAD)
    assert body == b"apple"
    assert properties.headers["small"] == "kept"
    assert "no good" in properties.headers["x-wqj-dead-letter-reason"]
    assert properties.headers["x-wqj-dead-letter-left-out"] == "large"
    assert engine.report.counts == ItemCounts(dead_lettered=1, attempts_failed=attempts)
    assert classic.count_left() == 0
    engine.close()


def test_item_whose_headers_fill_a_frame_is_given_back(
    classic: RabbitMQWorkerBench, keep: Keep
) -> None:
    classic.produce(b"apple", headers={"large": "x" * (FRAME_BYTES - 100)})
    broker = keep(classic.connect())
    broker.release(take(broker))
    assert take(broker).body == b"apple"


def test_retry_waits_while_a_policy_keeps_items_out_of_the_delay_queue(
    classic: RabbitMQWorkerBench, keep: Keep
) -> None:
    classic.produce(b"apple")
    broker = keep(classic.connect(retry=RetrySettings(3, 1, dead_letter=DEAD)))
    item = take(broker)
    definition = {"max-length": 0, "overflow": "reject-publish"}
    policy = ("policies", classic.vhost, "tight")
    classic.server.api("PUT", *policy, body={"pattern": "wqj-retry", "definition": definition})
    deadline = time.monotonic() + 10
    refusal = ""
    while not refusal and time.monotonic() < deadline:
        # A policy takes effect a moment later.
        with suppress(LeaseLost):
            try:
                broker.retry(item, reason="no good", delay_seconds=1)
            except PublishingUnavailable as error:
                refusal = str(error)
            else:
                item = take(broker)
    assert f"delay queue '{delay_queue(QUEUE, 1)}'" in refusal
    assert "list_policies" in refusal
    classic.server.api("DELETE", *policy)
    deadline = time.monotonic() + 10
    while True:
        try:
            broker.retry(item, reason="no good", delay_seconds=1)
        except PublishingUnavailable:
            assert time.monotonic() < deadline
            continue
        break
    assert take(broker).attempt >= 2
