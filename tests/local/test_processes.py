"""A pid file is trusted only for the very process that wrote it."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from dev.local.processes import (
    Component,
    PidRecord,
    ProcessTable,
    is_alive,
    parse_pid_file,
    parse_stat,
)

STAT = "4711 (a (strange) name) S 1 4711 4711 0 -1 4194560 1 0 0 0 7 3 0 0 20 0 9 0 123456 1 2 3 4"
RECORD = PidRecord(boot_id="this-boot", fingerprint="f", pid=4711, start_ticks=123456)


def write_stat(proc: Path, line: str) -> Path:
    (proc / "4711").mkdir()
    (proc / "4711" / "stat").write_text(line)
    return proc


def test_program_name_may_hold_blanks_and_parentheses() -> None:
    assert parse_stat(STAT) == (4711, 123456)


def test_pid_file_that_was_cut_off_is_no_record() -> None:
    whole = f"this-boot\nf\n{STAT}\n"
    assert parse_pid_file(whole) == RECORD
    assert parse_pid_file(whole[:40]) is None
    assert parse_pid_file("") is None


def test_same_pid_and_start_time_is_alive(tmp_path: Path) -> None:
    assert is_alive(RECORD, proc=write_stat(tmp_path, STAT), boot_id="this-boot")


@pytest.mark.parametrize(
    ("line", "boot_id"),
    [
        pytest.param(STAT.replace("123456", "999999"), "this-boot", id="pid used again"),
        pytest.param(STAT, "next-boot", id="machine restarted"),
        pytest.param(STAT.replace(") S ", ") Z "), "this-boot", id="zombie"),
    ],
)
def test_stranger_is_not_ours(tmp_path: Path, line: str, boot_id: str) -> None:
    assert not is_alive(RECORD, proc=write_stat(tmp_path, line), boot_id=boot_id)


def test_process_that_is_gone_is_not_alive(tmp_path: Path) -> None:
    assert not is_alive(RECORD, proc=tmp_path, boot_id="this-boot")


class TestProcessTable:
    """With real processes."""

    @pytest.fixture
    def table(self, tmp_path: Path) -> Iterator[ProcessTable]:
        table = ProcessTable(tmp_path / "pids", tmp_path / "logs")
        yield table
        for name in table.names():
            table.stop(name)

    def test_running_component_is_left_alone(self, table: ProcessTable) -> None:
        sleeper = Component("sleeper", ("sleep", "60"))
        assert table.ensure(sleeper)
        first = require(table, "sleeper")
        assert not table.ensure(sleeper)
        assert table.find("sleeper") == first

    def test_changed_configuration_restarts_it(self, table: ProcessTable, tmp_path: Path) -> None:
        config = tmp_path / "config"
        config.write_text("one")
        sleeper = Component("sleeper", ("sleep", "60"), config_files=(config,))
        table.ensure(sleeper)
        first = require(table, "sleeper")
        config.write_text("two")
        assert table.ensure(sleeper)
        assert not is_alive(first)

    def test_dead_component_is_revived(self, table: ProcessTable) -> None:
        sleeper = Component("sleeper", ("sleep", "60"))
        table.ensure(sleeper)
        first = require(table, "sleeper")
        assert not table.revive(sleeper)
        os.kill(first.pid, signal.SIGKILL)
        os.waitpid(first.pid, 0)
        assert table.revive(sleeper)
        assert require(table, "sleeper") != first

    def test_component_that_was_stopped_is_not_revived(self, table: ProcessTable) -> None:
        sleeper = Component("sleeper", ("sleep", "60"))
        table.ensure(sleeper)
        table.stop("sleeper")
        assert not table.revive(sleeper)

    def test_stopped_component_leaves_no_pid_file(self, table: ProcessTable) -> None:
        table.ensure(Component("sleeper", ("sleep", "60")))
        record = require(table, "sleeper")
        table.stop("sleeper")
        assert not is_alive(record)
        assert table.names() == []


def require(table: ProcessTable, name: str) -> PidRecord:
    record = table.find(name)
    assert record is not None
    return record
