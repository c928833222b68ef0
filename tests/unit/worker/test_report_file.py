import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from workqueuejob.contract.report import ItemCounts, read_report, write_report
from workqueuejob.worker.report_file import ReportFile
from workqueuejob.worker.report_sharing import append, read_others

KEPT_BYTES = 4096
"""How much of the end of a container's file the kubelet keeps."""


def read_as_the_kubelet(path: Path) -> str:
    return path.read_bytes()[-KEPT_BYTES:].decode(errors="replace")


def test_fresh_worker_says_that_it_is_there(tmp_path: Path) -> None:
    path = tmp_path / "message"
    path.write_text("what the last container said, which was a lot longer than this one")
    ReportFile(str(path))
    report = read_report(path.read_text())
    assert report is not None
    assert report.counts == ItemCounts()


def test_message_is_readable_after_every_step(tmp_path: Path) -> None:
    path = tmp_path / "message"
    path.touch()
    report = ReportFile(str(path))
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


def test_stop_is_told_before_the_worker_can_be_killed(tmp_path: Path) -> None:
    path = tmp_path / "message"
    path.touch()
    report = ReportFile(str(path))
    report.take()
    report.stop()
    found = read_report(path.read_text())
    assert found is not None
    assert (found.holding, found.stopping) == (True, True)


def test_note_says_why_and_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "message"
    path.touch()
    report = ReportFile(str(path))
    report.note("login refused " * 1000)
    assert '"note":"login refused' in path.read_text()
    assert len(path.read_bytes()) < 4096


def test_no_file_is_made_where_there_is_none(tmp_path: Path) -> None:
    report = ReportFile(str(tmp_path / "message"))
    report.succeed()
    report.close()
    report.close()
    assert report.counts == ItemCounts(succeeded=1)
    assert list(tmp_path.iterdir()) == []


def test_full_disk_stops_no_work() -> None:
    report = ReportFile("/dev/full")
    report.succeed()
    assert report.settled == 1


@pytest.mark.parametrize(
    "message",
    [
        "[" * 4096,
        '{"wqj":' * 600,
        '{"wqj":1,"succeeded":-1}',
        '{"wqj":1,"succeeded":1000000000001}',
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


# What else is written to the file


def replace_it(path: Path) -> None:
    path.write_text("fruit converted\n")


def append_to_it(path: Path) -> None:
    with path.open("a") as file:
        file.write("fruit converted\n")


def truncate_it(path: Path) -> None:
    path.write_text("")


def fill_it(path: Path) -> None:
    path.write_bytes(b"x" * 2**20 + b"\nfruit converted\n")


def write_over_its_beginning(path: Path) -> None:
    with path.open("r+") as file:
        file.write("fruit converted\n" * 20)


def write_far_behind_it(path: Path) -> None:
    with path.open("r+") as file:
        file.seek(2000)
        file.write("fruit converted\n")


def write_bytes_that_are_no_text(path: Path) -> None:
    path.write_bytes(bytes(range(256)) * 100 + b"fruit converted\n")


def remove_it(path: Path) -> None:
    # Nobody can from within a container, where it is mounted.
    os.rename(path, path.with_name("elsewhere"))
    os.link(path.with_name("elsewhere"), path)
    path.write_text("fruit converted\n")


INTERFERENCES = (
    replace_it,
    append_to_it,
    truncate_it,
    fill_it,
    write_over_its_beginning,
    write_far_behind_it,
    write_bytes_that_are_no_text,
    remove_it,
)


@pytest.mark.parametrize("interfere", INTERFERENCES)
@pytest.mark.parametrize("step", ["succeed", "let_go", "take", "note", "close"])
def test_what_a_command_writes_there_is_kept_beside_the_report(
    tmp_path: Path, step: str, interfere: Callable[[Path], None]
) -> None:
    path = tmp_path / "message"
    path.touch()
    report = ReportFile(str(path))
    report.take()
    report.add(dead_lettered=2, attempts_failed=3)
    interfere(path)
    arguments = ("fine",) if step == "note" else ()
    getattr(report, step)(*arguments)
    message = read_as_the_kubelet(path)
    found = read_report(message)
    assert found is not None
    assert found.counts == report.counts
    # A worker's operator of 0.1.0 reads nothing but JSON.
    told = json.loads(message)
    if interfere is not truncate_it:
        assert told["message"].endswith("fruit converted")
    assert len(path.read_bytes()) < KEPT_BYTES


def test_last_of_what_commands_write_is_kept_and_no_more_than_fits(tmp_path: Path) -> None:
    path = tmp_path / "message"
    path.touch()
    report = ReportFile(str(path))
    for number in range(300):
        noise = "\x07" * number
        with path.open("a") as file:
            file.write(f"{noise}item {number} \N{TANGERINE}\n")
        report.take()
        report.succeed()
    report.note("\N{TANGERINE}" * 1000)
    message = read_as_the_kubelet(path)
    assert len(path.read_bytes()) < KEPT_BYTES
    told = json.loads(message)
    assert told["succeeded"] == 300
    assert told["message"].endswith("item 299 \N{TANGERINE}")


def test_several_that_write_at_once_cost_no_count(tmp_path: Path) -> None:
    path = tmp_path / "message"
    path.touch()
    report = ReportFile(str(path))
    with path.open("a") as first, path.open("r+") as second:
        for number in range(200):
            report.take()
            first.write("first\n")
            first.flush()
            second.write("second\n")
            second.flush()
            if number % 10:
                report.succeed()
            else:
                report.let_go(dead_lettered=1)
            found = read_report(read_as_the_kubelet(path))
            assert found is not None
            assert found.counts == report.counts
    assert report.counts == ItemCounts(succeeded=180, dead_lettered=20)


def test_another_workers_report_is_not_kept_as_text(tmp_path: Path) -> None:
    path = tmp_path / "message"
    path.touch()
    reports = [ReportFile(str(path)), ReportFile(str(path))]
    for number in range(10):
        reports[number % 2].succeed()
    assert "message" not in json.loads(path.read_text())


def test_report_is_written_again_after_it_was_closed(tmp_path: Path) -> None:
    path = tmp_path / "message"
    path.touch()
    report = ReportFile(str(path))
    report.succeed()
    report.close()
    path.write_text("all done\n")
    report.rewrite()
    assert json.loads(path.read_text()) == {"wqj": 1, "succeeded": 1, "message": "all done"}
    path.unlink()
    report.rewrite()
    assert not path.exists()


def test_text_that_looks_like_a_place_holder_is_text(tmp_path: Path) -> None:
    path = tmp_path / "message"
    path.touch()
    report = ReportFile(str(path))
    report.note(f"{10**18 + 7} is a number")
    report.succeed()
    found = read_report(path.read_text())
    assert found is not None
    assert (found.counts.succeeded, found.note) == (1, f"{10**18 + 7} is a number")


# Several workers in one container


def settle(report: ReportFile, items: int) -> None:
    for _ in range(items):
        report.take()
        report.succeed()


def read_counts(path: Path) -> ItemCounts:
    found = read_report(path.read_text())
    assert found is not None
    return found.counts


@pytest.mark.parametrize("first_to_end", [0, 1])
def test_reports_of_two_workers_at_the_same_time_are_added_up(
    tmp_path: Path, first_to_end: int
) -> None:
    path = tmp_path / "message"
    path.touch()
    workers = [ReportFile(str(path)), ReportFile(str(path))]
    settle(workers[1], 3)
    settle(workers[0], 2)
    workers[1].take(attempts_lost=1)
    workers[1].let_go(dead_lettered=1)
    workers[first_to_end].close()
    settle(workers[1 - first_to_end], 1)
    workers[1 - first_to_end].close()
    assert read_counts(path) == ItemCounts(succeeded=6, dead_lettered=1, attempts_lost=1)
    for worker in workers:
        worker.rewrite()
    assert read_counts(path) == ItemCounts(succeeded=6, dead_lettered=1, attempts_lost=1)


def test_reports_of_workers_that_end_at_the_same_moment_are_all_kept(tmp_path: Path) -> None:
    path = tmp_path / "message"
    path.touch()
    together = Barrier(8)

    def end_often(_: int) -> None:
        descriptor = os.open(path, os.O_RDWR)
        for _ in range(100):
            together.wait()
            append(descriptor, write_report(ItemCounts(succeeded=1)).encode())
        os.close(descriptor)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(end_often, range(8)))
    with path.open("rb") as file:
        assert read_others(file.fileno()) == ItemCounts(succeeded=800)


def test_worker_that_has_appended_its_report_writes_the_file_from_its_beginning(
    tmp_path: Path,
) -> None:
    path = tmp_path / "message"
    path.touch()
    descriptor = os.open(path, os.O_RDWR)
    append(descriptor, b"appended")
    os.pwrite(descriptor, b"!", 0)
    os.close(descriptor)
    assert path.read_text() == "!appended"


def test_report_of_a_worker_that_has_ended_is_kept_by_the_next_one(tmp_path: Path) -> None:
    path = tmp_path / "message"
    path.touch()
    for items in (2, 3):
        report = ReportFile(str(path))
        settle(report, items)
        report.close()
        assert report.settled == items
    assert read_counts(path) == ItemCounts(succeeded=5)


def test_item_that_a_killed_worker_had_in_hand_is_uncertain(tmp_path: Path) -> None:
    path = tmp_path / "message"
    path.write_text(write_report(ItemCounts(succeeded=2), held=1))
    report = ReportFile(str(path))
    settle(report, 1)
    report.close()
    assert read_counts(path) == ItemCounts(succeeded=3, uncertain=1)


def test_shorter_report_leaves_nothing_of_a_longer_one(tmp_path: Path) -> None:
    path = tmp_path / "message"
    path.touch()
    report = ReportFile(str(path))
    report.take()
    report.note("the broker is away")
    report.note("")
    report.succeed()
    assert json.loads(path.read_text()) == {"wqj": 1, "succeeded": 1}


def test_report_says_how_many_items_are_in_hand(tmp_path: Path) -> None:
    path = tmp_path / "message"
    path.touch()
    report = ReportFile(str(path))
    shown = []
    for change in (report.take, report.take, report.take, report.succeed, report.let_go):
        change()
        shown.append(json.loads(path.read_text()))
    assert shown == [
        {"wqj": 1, "succeeded": 0, "holding": True},
        {"wqj": 1, "succeeded": 0, "holding": True, "held": 2},
        {"wqj": 1, "succeeded": 0, "holding": True, "held": 3},
        {"wqj": 1, "succeeded": 1, "holding": True, "held": 2},
        {"wqj": 1, "succeeded": 1, "holding": True},
    ]
