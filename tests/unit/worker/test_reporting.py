from pathlib import Path

import pytest

from workqueuejob.protocol.report import ItemCounts, read_report
from workqueuejob.worker.reporting import Report


def test_fresh_worker_says_that_it_is_there(tmp_path: Path) -> None:
    path = tmp_path / "message"
    path.write_text("what the last container said, which was a lot longer than this one")
    Report(str(path))
    report = read_report(path.read_text())
    assert report is not None
    assert report.counts == ItemCounts()


def test_message_is_readable_after_every_step(tmp_path: Path) -> None:
    path = tmp_path / "message"
    path.touch()
    report = Report(str(path))
    for number in range(1, 120):
        report.take(attempts_lost=number % 2)
        found = read_report(path.read_text())
        assert found is not None
        assert found.holding
        if number % 3:
            report.succeed()
        else:
            report.let_go(attempts_failed=1)
        found = read_report(path.read_text())
        assert found is not None
        assert (found.counts, found.holding) == (report.counts, False)
    assert report.counts == ItemCounts(succeeded=80, attempts_failed=39, attempts_lost=60)


def test_note_says_why_and_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "message"
    path.touch()
    report = Report(str(path))
    report.note("login refused " * 1000)
    assert '"note":"login refused' in path.read_text()
    assert len(path.read_bytes()) < 4096


def test_no_file_is_made_where_there_is_none(tmp_path: Path) -> None:
    report = Report(str(tmp_path / "message"))
    report.succeed()
    report.close()
    report.close()
    assert report.counts == ItemCounts(succeeded=1)
    assert list(tmp_path.iterdir()) == []


def test_full_disk_stops_no_work() -> None:
    report = Report("/dev/full")
    report.succeed()
    assert report.settled == 1


@pytest.mark.parametrize(
    "message",
    [
        "[" * 4096,
        '{"wqj":' * 600,
        '{"wqj":1,"succeeded":-1}',
        '{"wqj":1,"succeeded":2147483648}',
        '{"wqj":1,"succeeded":1e3}',
        '{"wqj":1,"succeeded":NaN}',
        '{"wqj":1,"succeeded":"5"}',
        '{"wqj":1,"succeeded":null}',
        '{"wqj":2}',
        "[1]",
        "\0",
        "",
    ],
)
def test_what_a_command_wrote_in_a_workers_place_is_no_report(message: str) -> None:
    assert read_report(message) is None
