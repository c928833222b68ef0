"""`wqj-worker run` with several items in hand."""

import json
import os
import signal
import time
from pathlib import Path

import pytest

from tests.unit.worker.processes import Ended, WorkerProcess, eventually
from workqueuejob.contract.exit_codes import STOPPED_EARLY
from workqueuejob.contract.report import ItemCounts, read_report

SHELL = ("run", "--", "sh", "-c")
ITEMS = [f"item-{number}" for number in range(8)]


def start(directory: Path, items: list[str], *command: str, **more: object) -> WorkerProcess:
    return WorkerProcess(directory, items, *command, **{"concurrency": 4, **more})  # type: ignore[arg-type] # a test names the options


def run(directory: Path, items: list[str], *command: str, **more: object) -> Ended:
    return start(directory, items, *command, **more).end()


def count(directory: Path, name: str) -> int:
    return len(list(directory.glob(f"{name}-*")))


def test_as_many_commands_run_at_once_as_asked_for(tmp_path: Path) -> None:
    # None ends before four are there, and never is a fifth one.
    script = f"""
        cd {tmp_path}; touch began-$ITEM_ID; touch in-$ITEM_ID
        until test $(ls began-* | wc -l) -ge 4; do sleep 0.02; done
        test $(ls in-* | wc -l) -le 4 || touch fifth-$ITEM_ID
        sleep 0.1; rm in-$ITEM_ID
    """
    ended = run(tmp_path, ITEMS, *SHELL, script)
    assert (ended.code, ended.counts, ended.left) == (0, ItemCounts(succeeded=8), 0)
    assert count(tmp_path, "fifth") == 0


def test_item_is_taken_as_soon_as_there_is_room_for_it(tmp_path: Path) -> None:
    script = f"""
        cat >{tmp_path}/body-$ITEM_ID
        grep -q slow {tmp_path}/body-$ITEM_ID || exit 0
        until test $(ls {tmp_path}/body-* | wc -l) -ge 8; do sleep 0.02; done
    """
    ended = run(tmp_path, ["slow", *ITEMS[1:]], *SHELL, script, concurrency=2)
    assert ended.counts == ItemCounts(succeeded=8)


def test_each_item_has_its_own_input_limit_and_end(tmp_path: Path) -> None:
    script = "read -r word; case $word in slow) sleep 60;; bad) echo no >&2; exit 3;; esac; cat"
    items = ["slow\n", "bad\n", "good\nrest\n", "dies\n"]
    script = script.replace("esac", "dies) kill -9 $$;; esac")
    ended = run(tmp_path, items, *SHELL, script, item_timeout_seconds=1)
    assert (ended.code, ended.out) == (0, "rest\n")
    assert sorted(ended.letters) == [
        ("bad\n", "exit code 3"),
        ("dies\n", "killed by SIGKILL"),
        ("slow\n", "timed out after 1 s"),
    ]
    assert ended.counts == ItemCounts(succeeded=1, dead_lettered=3, attempts_failed=3)


@pytest.mark.parametrize("way", ["--as-file", "--prefix-output"])
def test_items_at_work_share_neither_file_nor_output(tmp_path: Path, way: str) -> None:
    script = """
        test -z "$ITEM_FILE" || exec <"$ITEM_FILE"
        for _ in 1 2 3; do read -r line; echo "$line"; sleep 0.02; done
    """
    items = ["".join(f"{body}-{line}\n" for line in range(3)) for body in "abcdefgh"]
    ended = run(tmp_path, items, "run", way, "--", "sh", "-c", script, "sh")
    lines = [
        line.partition("] ")[::2] if "] " in line else ("", line) for line in ended.out.splitlines()
    ]
    assert sorted(text for _, text in lines) == sorted("".join(items).splitlines())
    if way == "--prefix-output":
        of_item = {
            text[0]: {prefix for prefix, other in lines if other[0] == text[0]} for _, text in lines
        }
        assert all(len(prefixes) == 1 for prefixes in of_item.values())
    assert not list(tmp_path.glob("item-*"))


def test_stop_lets_all_items_in_hand_end_and_takes_no_more(tmp_path: Path) -> None:
    script = f"touch {tmp_path}/began-$ITEM_ID; until test -e {tmp_path}/go; do sleep 0.02; done"
    worker = start(tmp_path, ITEMS, *SHELL, script)
    eventually(lambda: count(tmp_path, "began") == 4)
    worker.signal()
    eventually(lambda: '"stopping":true' in worker.message.read_text())
    (tmp_path / "go").touch()
    ended = worker.end()
    assert (ended.code, ended.left) == (STOPPED_EARLY, 4)
    assert ended.counts == ItemCounts(succeeded=4)
    assert count(tmp_path, "began") == 4


def test_end_of_the_grace_gives_all_items_in_hand_back(tmp_path: Path) -> None:
    script = f"touch {tmp_path}/began-$ITEM_ID; exec sleep 60"
    worker = start(tmp_path, ITEMS, *SHELL, script, grace_seconds=2)
    eventually(lambda: count(tmp_path, "began") == 4)
    worker.signal()
    ended = worker.end()
    assert (ended.code, ended.left) == (STOPPED_EARLY, 8)
    assert ended.counts == ItemCounts(released=4)


def test_quota_is_never_exceeded(tmp_path: Path) -> None:
    ended = run(tmp_path, ITEMS, "run", "--", "sleep", "0.1", quota=6)
    assert (ended.code, ended.left, ended.counts) == (0, 2, ItemCounts(succeeded=6))


def test_failed_attempt_makes_room_for_another_item_of_the_quota(tmp_path: Path) -> None:
    script = f"mkdir {tmp_path}/first 2>/dev/null && exit 1; sleep 0.2"
    ended = run(tmp_path, ITEMS, *SHELL, script, quota=4, retry={"max_attempts": 2})
    assert ended.counts == ItemCounts(succeeded=4, attempts_failed=1)
    assert ended.left == 4


def test_killed_worker_says_how_many_items_it_had_in_hand(tmp_path: Path) -> None:
    script = f"echo $$ >>{tmp_path}/pids; touch {tmp_path}/began-$ITEM_ID; exec sleep 60"
    worker = start(tmp_path, ITEMS, *SHELL, script)
    eventually(lambda: count(tmp_path, "began") == 4)
    worker.signal(signal.SIGKILL)
    worker.process.wait()
    report = read_report(worker.message.read_text())
    assert report is not None
    assert (report.held, report.holding, report.counts) == (4, True, ItemCounts())
    assert json.loads(worker.message.read_text())["holding"] is True
    for pid in (tmp_path / "pids").read_text().split():
        os.kill(int(pid), signal.SIGKILL)


def test_program_that_vanishes_ends_the_worker_after_the_others_are_done(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text(
        f"""#!/bin/sh
        cd {tmp_path}
        touch began-$ITEM_ID
        until test $(ls began-* | wc -l) -ge 2; do sleep 0.02; done
        rm -f program
        mkdir first 2>/dev/null && exit 0
        sleep 0.5; touch done
        """.replace(" " * 8, "")
    )
    program.chmod(0o755)
    ended = run(tmp_path, ITEMS, "run", "--", str(program), concurrency=2)
    assert (tmp_path / "done").exists()
    assert (ended.code, ended.left) == (1, 6)
    assert ended.counts == ItemCounts(succeeded=2, released=1)


def test_lost_item_ends_its_command_alone(tmp_path: Path) -> None:
    # Every item that is held at a renewal is lost; those that are taken later go on.
    script = "read -r word; test $word = short || sleep 60"
    ended = run(tmp_path, ["long\n", "long\n"], *SHELL, script, frozen=True, lease_seconds=0.3)
    assert ended.counts.leases_lost == 2
    assert ended.code == 0


def test_processes_left_in_the_group_of_one_command_hold_up_no_other(tmp_path: Path) -> None:
    # The first command is ended for its time; what it leaves ignores SIGTERM for seconds.
    script = """
        read -r word
        if test $word = slow; then (trap '' TERM; sleep 3) & sleep 60; fi
    """
    began = time.monotonic()
    items = ["slow\n", *(f"{number}\n" for number in range(30))]
    worker = start(tmp_path, items, *SHELL, script, item_timeout_seconds=1, concurrency=2)
    eventually(lambda: '"succeeded":30' in worker.message.read_text())
    assert time.monotonic() - began < 30
    assert worker.end().counts == ItemCounts(succeeded=30, dead_lettered=1, attempts_failed=1)
