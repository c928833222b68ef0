"""A hostile author's broker costs the operator some seconds and some memory, both bounded.

The cases that last until a deadline run at once, those that flood one after the other.
"""

import gzip
import json
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import pytest

from tests.hostile_server import Act, drip, flood, hostile_server, say, silent

from .hostile_measuring import Outcome, measure

DEADLINE_SECONDS = 15.0
ENOUGH_SECONDS = 30.0
MOST_GROWN_MB = 64.0

HTTP = b"HTTP/1.1 200 OK\r\n"
JSON = HTTP + b"Content-Type: application/json\r\n"
DEEP = b'[{"name":' * 200_000
ZIPPED = gzip.compress(b" " * 200_000_000, compresslevel=9)
ROLE = b"*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n"
AMQP_FRAME = struct.pack(">BHL", 1, 0, 0xFFFFFFF0)
KAFKA_LENGTH = struct.pack(">i", 90_000_000)


@dataclass(frozen=True, slots=True)
class Case:
    """What is played, to whom, and the words that a person reads."""

    broker: str
    name: str
    act: Act
    words: str


def tables(levels: int) -> bytes:
    """Return a Connection.Start whose server properties are tables in tables."""
    inner = b""
    for _ in range(levels):
        entry = b"\x01aF" + struct.pack(">I", len(inner)) + inner
        inner = entry
    body = struct.pack(">HHBB", 10, 10, 0, 9) + struct.pack(">I", len(inner)) + inner
    body += struct.pack(">I", 5) + b"PLAIN" + struct.pack(">I", 5) + b"en_US"
    return struct.pack(">BHL", 1, 0, len(body)) + body + b"\xce"


SLOW = [
    Case("redis", "silent", silent, "timeout; correct spec.queue.redis.host"),
    Case("redis", "drip", drip(b"+"), "no whole answer within"),
    Case("redis", "drip numbers", drip(ROLE + b"*100000\r\n", b":1\r\n"), "no whole answer within"),
    Case("redis", "odd length", say(b"$many\r\n"), "not Redis'"),
    Case("redis", "long number", say(b":" + b"9" * 10_000 + b"\r\n"), "not Redis'"),
    Case("redis", "garbage", say(b"\xff\x00garbage\r\n"), "connection lost"),
    Case("redis", "half", say(b"*3\r\n$6\r\nmas"), "connection lost"),
    Case("redis", "another shape", say(b":1\r\n"), "not Redis'"),
    Case("redis-tls", "silent", silent, "no answer to the TLS handshake"),
    Case("redis-tls", "drip", drip(b"\x16\x03\x03\x40\x00"), "no answer to the TLS handshake"),
    Case("sentinel", "silent", silent, "timeout; correct spec.queue.redis.sentinel.addresses"),
    Case("sentinel", "drip", drip(b"+"), "no whole answer within"),
    Case("sentinel", "another shape", say(b":1\r\n"), "not Redis'"),
    Case("rabbitmq", "silent", silent, "correct spec.queue.rabbitmq.port"),
    Case("rabbitmq", "drip", drip(AMQP_FRAME), "correct spec.queue.rabbitmq.port"),
    Case("rabbitmq", "deep tables", drip(tables(5000)), "timeout"),
    Case("rabbitmq", "garbage", say(b"\xff\x00garbage\r\n" * 20), "no plain AMQP"),
    Case("rabbitmq", "half", say(tables(3)[:20]), "no plain AMQP"),
    Case("management", "silent", silent, "did not answer in time"),
    Case("management", "drip of headers", drip(HTTP + b"X: "), "no whole answer within"),
    Case("management", "drip of a body", drip(JSON + b"\r\n["), "no whole answer within"),
    Case("management", "half", say(JSON + b"Content-Length: 9999\r\n\r\n[{"), "connection lost"),
    Case("management", "garbage", say(b"\xff\x00garbage\r\n"), "connection lost"),
    Case("kafka", "silent", silent, "no answer"),
    Case("kafka", "drip", drip(struct.pack(">i", 1000)), "no answer"),
    Case("kafka", "garbage", say(b"\xff\x00garbage\r\n" * 20), "spec.queue.kafka"),
    Case("kafka", "half", say(b"\0\0\0\x40\0\0\0\1"), "spec.queue.kafka"),
]  # fmt: skip

LARGE = [
    Case("redis", "bulk reply", flood(ROLE + b"$60000000\r\n"), "more than 1 MiB"),
    Case("redis", "endless line", flood(b"+", b"a"), "more than 1 MiB"),
    Case("redis", "endless array", flood(b"*1000000000\r\n", b":1\r\n"), "more than 1 MiB"),
    Case("redis", "deep arrays", say(b"*1\r\n" * 200_000), "not Redis'"),
    Case("sentinel", "bulk reply", flood(b"*2\r\n$60000000\r\n"), "more than 1 MiB"),
    Case("rabbitmq", "endless frame", flood(AMQP_FRAME), "more than 64 KiB"),
    Case("management", "gzip bomb",
         say(JSON + b"Content-Encoding: gzip\r\n\r\n" + ZIPPED), "encoded as gzip"),
    Case("management", "endless body", flood(JSON + b"\r\n", b" "), "more than 2 MiB"),
    Case("management", "endless headers", flood(HTTP, b"X: y\r\n"), "connection lost"),
    Case("management", "endless chunks",
         flood(JSON + b"Transfer-Encoding: chunked\r\n\r\n", b"8\r\n[[[[[[[[\r\n"),
         "more than 2 MiB"),
    Case("management", "deep JSON", say(JSON + b"\r\n" + DEEP), "not RabbitMQ's"),
    Case("kafka", "endless metadata", flood(KAFKA_LENGTH), "an answer of 86 MiB"),
]  # fmt: skip


def name_of(case: Case) -> str:
    return f"{case.broker}: {case.name}"


@contextmanager
def played(cases: list[Case]) -> Iterator[dict[str, int]]:
    """Play all of them at once; yields the port of each."""
    with ExitStack() as stack:
        yield {name_of(one): stack.enter_context(hostile_server(one.act)) for one in cases}


@pytest.fixture(scope="module")
def outcomes() -> dict[str, Outcome]:
    """What came of those that only take time, all at once; without those that never ended."""
    outcomes: dict[str, Outcome] = {}

    def run(case: Case, port: int) -> None:
        outcomes[name_of(case)] = measure(case.broker, port)

    with played(SLOW) as ports:
        threads = [
            threading.Thread(target=run, args=(case, ports[name_of(case)]), daemon=True)
            for case in SLOW
        ]
        for one in threads:
            one.start()
        ends_at = time.monotonic() + ENOUGH_SECONDS
        for one in threads:
            one.join(max(ends_at - time.monotonic(), 0.0))
    return outcomes


@pytest.fixture(scope="module")
def large_outcomes() -> dict[str, Outcome]:
    """What came of those that take memory, one after the other in a process of their own."""
    with played(LARGE) as ports:
        asked = [f"{case.broker}:{ports[name_of(case)]}" for case in LARGE]
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.contract.hostile_measuring", *asked],
            stdout=subprocess.PIPE,
        )
        try:
            output, _ = process.communicate(timeout=2 * ENOUGH_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            output, _ = process.communicate()
    lines = [Outcome(**json.loads(line)) for line in output.splitlines()]
    return dict(zip(map(name_of, LARGE), lines, strict=False))


@pytest.mark.parametrize("case", SLOW, ids=name_of)
def test_hostile_broker_holds_no_call_and_its_condition_says_what_is_wrong(
    outcomes: dict[str, Outcome], case: Case
) -> None:
    assert_bounded(outcomes, case)


@pytest.mark.parametrize("case", LARGE, ids=name_of)
def test_answer_without_bound_is_refused_before_it_fills_the_memory(
    large_outcomes: dict[str, Outcome], case: Case
) -> None:
    assert_bounded(large_outcomes, case)
    # Of all that came before, too: what is freed may not be given back.
    assert large_outcomes[name_of(case)].grown_mb < MOST_GROWN_MB


def assert_bounded(outcomes: dict[str, Outcome], case: Case) -> None:
    assert name_of(case) in outcomes, "the measurement did not end"
    outcome = outcomes[name_of(case)]
    assert outcome.reason in {"ConnectionFailed", "MeasurementUnreliable", "ManagementUnavailable"}
    assert case.words in outcome.message
    assert "127.0.0.1:" in outcome.message
    assert outcome.seconds < DEADLINE_SECONDS
