"""A signal reaches the very process that was found, or nobody."""

import signal
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dev.local.processes import Component, ProcessTable, parse_stat
from tests.chaos.schedule import Target
from tests.chaos.victims import Finder, Victim


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


def victim_of(process: subprocess.Popen[bytes]) -> Victim:
    _, ticks = parse_stat(Path(f"/proc/{process.pid}/stat").read_text())
    return Victim(process.pid, ticks, "sleeper")


def test_signal_reaches_the_process(sleeper: subprocess.Popen[bytes]) -> None:
    assert victim_of(sleeper).signal(signal.SIGKILL)
    assert sleeper.wait() == -signal.SIGKILL


def test_process_with_another_start_time_is_spared(sleeper: subprocess.Popen[bytes]) -> None:
    former = replace(victim_of(sleeper), start_ticks=1)
    assert not former.signal(signal.SIGKILL)
    assert former.cut("( sport = :1 )") == 0
    assert sleeper.poll() is None


def test_process_that_has_ended_gets_no_signal(sleeper: subprocess.Popen[bytes]) -> None:
    victim = victim_of(sleeper)
    sleeper.kill()
    sleeper.wait()
    assert not victim.signal(signal.SIGCONT)


def test_component_is_found_by_its_pid_file(tmp_path: Path) -> None:
    table = ProcessTable(tmp_path / "pids", tmp_path / "logs")
    finder = Finder("a-run", table, {})
    assert finder.find(Target.KUBELET) == []
    table.ensure(Component("kubelet", ("sleep", "60")))
    try:
        (found,) = finder.find(Target.KUBELET)
        assert found.name == "kubelet"
        assert found.signal(signal.SIGCONT)
    finally:
        table.stop("kubelet")


def test_nobody_elses_pod_is_found(tmp_path: Path) -> None:
    """Whatever runs on this machine, no worker is of a run that there never was."""
    finder = Finder("never", ProcessTable(tmp_path / "pids", tmp_path / "logs"), {})
    assert finder.find(Target.WORKER) == []
