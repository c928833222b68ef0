"""Putting a declare and the management API's totals together."""

import inspect
import json
from dataclasses import replace

import pytest
from urllib3 import exceptions as http

from workqueuejob.api import Precision
from workqueuejob.brokers.depth import DepthWarning, QueueDepth
from workqueuejob.brokers.rabbitmq.depths import build_depth
from workqueuejob.brokers.rabbitmq.management import (
    QueueTotals,
    parse_alarms,
    parse_members,
    parse_totals,
)
from workqueuejob.brokers.rabbitmq.management_http import FAILURES, describe_failure
from workqueuejob.brokers.rabbitmq.probe_connection import DeclaredQueue
from workqueuejob.brokers.rabbitmq.quorum_leaders import check_leader
from workqueuejob.errors import MeasurementUnreliable, QueueTypeUnsupported

DECLARED = DeclaredQueue(messages=6, consumers=4)


def totals(
    *,
    kind: str | None = "classic",
    state: str | None = "running",
    ready: int | None = 5,
    unacked: int | None = 3,
) -> QueueTotals:
    return QueueTotals(type=kind, state=state, ready=ready, unacked=unacked)


def test_ready_and_in_flight_come_from_one_snapshot() -> None:
    assert build_depth("q", DECLARED, totals()) == QueueDepth(
        ready=5, in_flight=3, consumers=4, precision=Precision.EXACT
    )


@pytest.mark.parametrize(
    "found", [None, totals(ready=None), totals(unacked=None), totals(ready=None, unacked=None)]
)
def test_absent_number_is_unknown_and_never_zero(found: QueueTotals | None) -> None:
    assert build_depth("q", DECLARED, found) == QueueDepth(
        ready=6, in_flight=None, consumers=4, precision=Precision.ESTIMATED
    )


def test_warning_goes_with_the_declares_numbers() -> None:
    warning = DepthWarning("ManagementUnavailable", "…")
    depth = build_depth("q", DECLARED, None, warning=warning)
    assert (depth.ready, depth.in_flight, depth.warning) == (6, None, warning)


def test_quorum_totals_lag_and_say_only_what_was_in_flight_lately() -> None:
    depth = build_depth("q", DECLARED, totals(kind="quorum", ready=0, unacked=2))
    assert (depth.ready, depth.in_flight, depth.in_flight_lately) == (6, None, 2)


def test_stream_is_no_work_queue() -> None:
    with pytest.raises(QueueTypeUnsupported):
        build_depth("q", DECLARED, totals(kind="stream", ready=None, unacked=None))


@pytest.mark.parametrize("state", ["down", "crashed", "stopped", "minority"])
def test_numbers_of_an_unavailable_queue_mean_nothing(state: str) -> None:
    with pytest.raises(MeasurementUnreliable, match=state):
        build_depth("q", DECLARED, totals(kind="quorum", state=state))


@pytest.mark.parametrize(
    "members",
    [
        {"a": "follower", "b": "leader"},
        {"a": "noproc"},
        {"b": "leader"},
        {},
        DepthWarning("ManagementUnavailable", "timeout"),
    ],
    ids=str,
)
def test_zero_is_not_believed_unless_the_leader_that_was_asked_is_one(
    members: dict[str, str] | DepthWarning,
) -> None:
    quorum = replace(totals(kind="quorum"), leader="a")
    with pytest.raises(MeasurementUnreliable, match="'q'"):
        check_leader("q", quorum, members)


@pytest.mark.parametrize("members", [None, {"a": "leader", "b": "follower"}], ids=str)
def test_zero_of_a_leader_is_believed_and_of_a_broker_that_tells_no_leaders(
    members: dict[str, str] | None,
) -> None:
    check_leader("q", replace(totals(kind="quorum"), leader="a"), members)


def test_negative_numbers_are_unreliable() -> None:
    with pytest.raises(MeasurementUnreliable, match="below zero"):
        build_depth("q", DECLARED, totals(unacked=-1))


def test_totals_are_read_by_name() -> None:
    row = {"name": "a/b", "type": "classic", "state": "running"}
    data = json.dumps([{**row, "messages_ready": 2, "messages_unacknowledged": 0}]).encode()
    assert parse_totals(data) == {"a/b": totals(ready=2, unacked=0)}


def test_absent_and_odd_values_are_unknown() -> None:
    data = json.dumps([{"name": "q", "messages_ready": "2", "messages_unacknowledged": None}])
    unknown = QueueTotals(type=None, state=None, ready=None, unacked=None)
    assert parse_totals(data.encode()) == {"q": unknown}


@pytest.mark.parametrize("data", [b"", b"<html>", b'{"error": "x"}'])
def test_answer_of_another_shape_is_no_answer(data: bytes) -> None:
    assert parse_totals(data) is None
    assert parse_members(data) is None


def test_members_are_read_by_node() -> None:
    data = json.dumps([{"Node Name": "a", "Raft State": "noproc", "Term": 1}]).encode()
    assert parse_members(data) == {"a": "noproc"}


def test_every_failure_of_urllib3_has_words() -> None:
    for _, one in inspect.getmembers(http, inspect.isclass):
        if issubclass(one, http.HTTPError):
            assert any(kind in FAILURES for kind in one.__mro__)
    assert describe_failure(http.ProtocolError("x")).startswith("connection lost")


def test_alarms_are_those_that_are_known_each_once() -> None:
    rows = [{"node": "a", "resource": "memory"}, {"node": "b", "resource": "memory"},
            {"node": "a", "resource": "disk space"}, {"node": "a", "resource": "x"}]  # fmt: skip
    assert parse_alarms(json.dumps({"status": "failed", "alarms": rows}).encode()) == (
        "disk space",
        "memory",
    )


@pytest.mark.parametrize("data", [b"", b"[]", b'{"alarms": 1}', b'{"alarms": [1]}', b"[" * 50_000])
def test_other_answers_name_no_alarm(data: bytes) -> None:
    assert parse_alarms(data) == ()


def test_number_that_no_queue_has_is_unknown() -> None:
    (found,) = (
        parse_totals(b'[{"name": "q", "messages_ready": 1%s}]' % (b"0" * 50)) or {}
    ).values()
    assert found.ready is None
