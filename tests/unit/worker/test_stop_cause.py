"""A stop that a failing probe stands behind is the item's fault; any other is not."""

import http.server
import socket
import threading
import time
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from tests.unit.worker.builders import ONE_ATTEMPT, Plant, take
from workqueuejob.contract import exit_codes
from workqueuejob.contract.probes import ProbeSettings
from workqueuejob.contract.report import ItemCounts
from workqueuejob.worker.container_probes import is_failing

SECONDS = 20
"""Of a busy machine."""


def a_command(text: str, *, timeout_seconds: int = SECONDS) -> ProbeSettings:
    return ProbeSettings("livenessProbe", timeout_seconds, command=("sh", "-c", text))


def a_plant(*probes: ProbeSettings) -> Plant:
    return Plant(b"hang", lease_seconds=9999, retry=ONE_ATTEMPT, probes=probes)


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + SECONDS
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def join_probes() -> None:
    for thread in threading.enumerate():
        if thread.name == "wqj-probes":
            thread.join(SECONDS)


def test_item_that_makes_a_probe_fail_has_failed() -> None:
    plant = a_plant(a_command("true"), a_command("false"))
    item = take(plant.engine)
    plant.stop.request()
    plant.engine.note_stop()
    join_probes()
    plant.engine.settlement.interrupt(item)
    reason = "not done when the container was stopped, because its livenessProbe failed"
    assert plant.letters == [(b"hang", reason, 1)]
    assert plant.engine.exit_code == exit_codes.STOPPED_EARLY


def test_item_is_given_back_while_the_probes_succeed() -> None:
    plant = a_plant(a_command("true"))
    item = take(plant.engine)
    plant.stop.request()
    plant.engine.note_stop()
    join_probes()
    plant.engine.settlement.interrupt(item)
    assert plant.engine.report.counts == ItemCounts(released=1)


def test_probe_is_asked_once_and_only_when_the_worker_is_told_to_stop(tmp_path: Path) -> None:
    asked = tmp_path / "asked"
    plant = a_plant(a_command(f"echo asked >> {asked}"))
    plant.engine.note_stop()
    assert not asked.exists()
    plant.stop.request()
    plant.engine.note_stop()
    plant.engine.note_stop()
    join_probes()
    assert asked.read_text() == "asked\n"


@pytest.mark.parametrize(("seconds", "released"), [(9, 1), (10, 0)])
def test_probe_without_an_answer_has_failed_when_its_time_is_over(
    tmp_path: Path, seconds: int, released: int
) -> None:
    begun, over = tmp_path / "begun", tmp_path / "over"
    waits = f"touch {begun}; until test -e {over}; do sleep 0.05; done"
    plant = a_plant(a_command(waits, timeout_seconds=10))
    item = take(plant.engine)
    plant.stop.request()
    plant.engine.note_stop()
    wait_for(begun)
    plant.clock.now += seconds
    plant.engine.settlement.interrupt(item)
    over.touch()
    join_probes()
    assert plant.engine.report.counts.released == released


@pytest.mark.parametrize(
    ("text", "timeout_seconds", "expected"),
    [("exit 0", SECONDS, False), ("exit 3", SECONDS, True), ("sleep 600", 1, True)],
)
def test_command_fails_by_its_exit_code_or_when_it_takes_too_long(
    text: str, timeout_seconds: int, *, expected: bool
) -> None:
    assert is_failing(a_command(text, timeout_seconds=timeout_seconds)) is expected


def test_command_that_is_not_there_tells_nothing() -> None:
    assert not is_failing(ProbeSettings("livenessProbe", command=("/no/such/program",)))


def test_command_sees_the_container_and_not_the_workers_secrets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WQJ_BROKER_PASSWORD", "secret")
    monkeypatch.setenv("MINE", "mine")
    assert not is_failing(a_command('test "$MINE" = mine -a -z "$WQJ_BROKER_PASSWORD"'))


class Answers(http.server.BaseHTTPRequestHandler):
    """Answers with the status that the path names, if the header is there."""

    def do_GET(self) -> None:
        is_asked_well = self.headers["X-Probe"] == "yes"
        self.send_response(int(self.path[1:]) if is_asked_well else HTTPStatus.BAD_REQUEST)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with http.server.HTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("status", "expected"), [(200, False), (302, False), (404, True), (503, True)]
)
def test_http_fails_by_its_status(port: int, status: int, *, expected: bool) -> None:
    probe = ProbeSettings(
        "livenessProbe", SECONDS, host="127.0.0.1", port=port, path=f"/{status}",
        headers=(("X-Probe", "yes"),),
    )  # fmt: skip
    assert is_failing(probe) is expected


def test_port_fails_when_nobody_listens(port: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        free = closed.getsockname()[1]
    fine, refused = (
        ProbeSettings("livenessProbe", SECONDS, host="127.0.0.1", port=number)
        for number in (port, free)
    )
    assert not is_failing(fine)
    assert is_failing(refused)


def test_server_that_takes_connections_and_never_answers_fails() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address, number = silent.getsockname()
        assert is_failing(ProbeSettings("livenessProbe", 1, host=address, port=number, path="/"))


def test_host_that_is_not_known_tells_nothing() -> None:
    assert not is_failing(ProbeSettings("livenessProbe", 1, host="no-such.invalid", port=80))
