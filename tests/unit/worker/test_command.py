"""`wqj-worker run` with real processes."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.unit.worker.processes import (
    ROOT,
    Ended,
    WorkerProcess,
    as_in_a_pod,
    eventually,
    is_running,
)
from workqueuejob.contract.report import ItemCounts
from workqueuejob.contract.settings import PRIVATE_VARIABLES
from workqueuejob.worker.command_attempt import TIMEOUT_KILL_SECONDS

SHELL = ("run", "--", "sh", "-c")


def run(directory: Path, items: list[str], *command: str, **more: object) -> Ended:
    return WorkerProcess(directory, items, *command, **more).end()  # type: ignore[arg-type] # a test names the options


# How an item is handed over


def test_item_is_on_stdin(tmp_path: Path) -> None:
    ended = run(tmp_path, ["apple\n", "", "\0\xff\n"], "run", "--", "cat")
    assert (ended.code, ended.out, ended.left) == (0, "apple\n\0\xff\n", 0)
    assert ended.counts == ItemCounts(succeeded=3)


def test_large_item_and_large_output_do_not_wait_for_each_other(tmp_path: Path) -> None:
    ended = run(tmp_path, ["x" * 2**20], "run", "--prefix-output", "--", "cat")
    assert ended.out.count("x") == 2**20
    assert ended.counts.succeeded == 1


def test_command_that_reads_nothing_succeeds(tmp_path: Path) -> None:
    assert run(tmp_path, ["x" * 2**20], "run", "--", "true").counts.succeeded == 1


def test_item_is_the_last_argument(tmp_path: Path) -> None:
    ended = run(tmp_path, ["two words", "-n", ""], "run", "--as-argument", "--", "printf", "[%s]")
    assert ended.out == "[two words][-n][]"


def test_item_is_in_a_variable(tmp_path: Path) -> None:
    command = ("run", "--as-env", "FRUIT", "--", "sh", "-c", 'printf "[%s]" "$FRUIT"; cat')
    assert run(tmp_path, ["apple\nfig"], *command).out == "[apple\nfig]"


def test_item_is_in_a_file_that_is_removed(tmp_path: Path) -> None:
    script = 'cat "$1"; [ "$1" = "$ITEM_FILE" ] && echo " $1"'
    ended = run(tmp_path, ["a\0b"], "run", "--as-file", "--", "sh", "-c", script, "sh")
    body, _, path = ended.out.strip().partition(" ")
    assert body == "a\0b"
    assert path.startswith(str(tmp_path))
    assert not Path(path).exists()
    assert ended.counts.succeeded == 1


def test_delivery_of_the_settings_is_followed(tmp_path: Path) -> None:
    delivery = {"type": "Environment", "variable": "FRUIT"}
    ended = run(tmp_path, ["fig"], *SHELL, 'echo "$FRUIT"', delivery=delivery)
    assert ended.out == "fig\n"


def test_command_line_wins_over_the_settings(tmp_path: Path) -> None:
    delivery = {"type": "Environment", "variable": "FRUIT"}
    command = ("run", "--as-argument", "--", "sh", "-c", 'echo "$FRUIT$1"', "sh")
    assert run(tmp_path, ["fig"], *command, delivery=delivery).out == "fig\n"


HOSTILE = (
    "$(touch owned)",
    "`touch owned`; touch owned & touch owned | touch owned",
    "'; touch owned; '",
    '"; touch owned; "',
    "--help",
    "-n",
    "",
    " \t ",
    "two\r\nlines\n\n",
    "%s%n$HOME ${HOME} *",
    "../../etc/passwd",
    "\x1b[2J\x07",
    "".join(map(chr, range(1, 256))),
    "x" * 100_000,
)
"""Texts of bytes that mean something to a shell, a terminal or a program, and none to us."""


@pytest.mark.parametrize(
    ("way", "script"),
    [
        ((), "cat"),
        (("--as-argument",), 'printf %s "$1"'),
        (("--as-env", "FRUIT"), 'printf %s "$FRUIT"'),
        (("--as-file",), 'cat "$ITEM_FILE"'),
    ],
    ids=["stdin", "argument", "environment", "file"],
)
def test_hostile_item_reaches_the_command_as_it_is(
    tmp_path: Path, way: tuple[str, ...], script: str
) -> None:
    ended = run(tmp_path, list(HOSTILE), "run", *way, "--", "sh", "-c", script, "sh")
    assert ended.out == "".join(HOSTILE)
    assert ended.counts == ItemCounts(succeeded=len(HOSTILE))
    assert not list(tmp_path.rglob("owned"))


@pytest.mark.parametrize("way", ["--as-file", "--prefix-output"])
def test_large_binary_item_reaches_the_command_as_it_is(tmp_path: Path, way: str) -> None:
    item = "".join(map(chr, range(256))) * 2**12
    script = 'cat "${ITEM_FILE:-/dev/stdin}" | cksum'
    ended = run(tmp_path, [item], "run", way, "--", "sh", "-c", script)
    expected = subprocess.run(
        ["cksum"], input=item.encode("latin-1"), capture_output=True, check=True
    )
    assert ended.out.endswith(expected.stdout.decode())


@pytest.mark.parametrize("way", ["--as-argument", "--as-env=FRUIT"])
def test_nul_byte_that_can_not_be_passed_fails_the_item_only(tmp_path: Path, way: str) -> None:
    ended = run(tmp_path, ["a\0b", "apple"], "run", way, "--", "true")
    ((body, reason),) = ended.letters
    assert body == "a\0b"
    assert "NUL byte" in reason
    assert (ended.code, ended.counts.succeeded) == (0, 1)


def test_item_too_large_for_an_argument_fails_only_itself(tmp_path: Path) -> None:
    ended = run(tmp_path, ["x" * 2**20, "apple"], "run", "--as-argument", "--", "true")
    ((_, reason),) = ended.letters
    assert "too large" in reason
    assert ended.counts.succeeded == 1


def test_command_knows_its_item(tmp_path: Path) -> None:
    script = 'echo "$ITEM_ID $ITEM_ATTEMPT $ITEM_REDELIVERED"; [ "$ITEM_ATTEMPT" = 2 ]'
    ended = run(tmp_path, ["apple"], *SHELL, script, retry={"max_attempts": 3})
    assert ended.out == "item-1 1 false\nitem-1 2 true\n"


def test_private_variables_are_kept_from_the_command_and_no_others(tmp_path: Path) -> None:
    private = dict.fromkeys(PRIVATE_VARIABLES, "s3cret")
    environ = {**private, "WQJ_POD_NAME": "fruits-1", "BROKER_URL": "amqp://mq"}
    ended = run(tmp_path, ["apple"], "run", "--", "env", environ=environ)
    assert "s3cret" not in ended.out
    assert not [name for name in PRIVATE_VARIABLES if f"{name}=" in ended.out]
    assert "WQJ_POD_NAME=fruits-1\n" in ended.out
    assert "BROKER_URL=amqp://mq\n" in ended.out


def test_command_cannot_read_the_workers_environment_in_proc(tmp_path: Path) -> None:
    script = 'cat /proc/$PPID/environ; echo "tried"; cat /proc/self/environ >/dev/null && echo own'
    environ = dict.fromkeys(PRIVATE_VARIABLES, "s3cret")
    ended = run(tmp_path, ["apple"], *SHELL, script, environ=environ, wrapper=as_in_a_pod())
    assert ended.out == "tried\nown\n"
    assert ended.counts.succeeded == 1


def test_command_knows_its_items_headers_and_nothing_of_the_workers_own(tmp_path: Path) -> None:
    names = "ITEM_KEY ITEM_CONTENT_TYPE TRACEPARENT TRACESTATE ITEM_ENVELOPE_FILE ITEM_HEADERS"
    names += " ITEM_FILE"
    foreign = dict.fromkeys(names.split(), "the worker's")
    script = 'printf "%s\\n" "$TRACEPARENT" "$ITEM_HEADERS"; env | grep -c "the worker" || true'
    traced = run(
        tmp_path, ["a"], *SHELL, script, environ=foreign, headers={"TraceParent": "00-a-b-01"}
    )
    assert traced.out == '00-a-b-01\n{"TraceParent":"00-a-b-01"}\n0\n'
    assert run(tmp_path, ["a"], *SHELL, script, environ=foreign).out == "\n{}\n0\n"


def test_odd_headers_fail_no_command(tmp_path: Path) -> None:
    odd = {"a\0=b\n": "\0\xff", "traceparent": "\0", "large": "x" * 2**20, "": ""}
    ended = run(tmp_path, ["apple"], *SHELL, 'echo "$ITEM_HEADERS_LEFT_OUT"', headers=odd)
    assert (ended.out, ended.counts) == ("1\n", ItemCounts(succeeded=1))


@pytest.mark.parametrize("way", [(), ("--as-file",)], ids=["stdin", "file"])
def test_envelope_is_in_a_file_that_is_removed(tmp_path: Path, way: tuple[str, ...]) -> None:
    script = 'cat "${ITEM_FILE:-/dev/stdin}" "$ITEM_ENVELOPE_FILE"; echo "$ITEM_ENVELOPE_FILE"'
    large = {"large": "x" * 2**20, "odd": "\xff"}
    command = ("run", *way, "--envelope-file", "--", "sh", "-c", script)
    ended = run(tmp_path, ["apple"], *command, headers=large)
    item, path, _ = ended.out.split("\n")
    assert item.startswith("apple")
    found = json.loads(item.removeprefix("apple"))
    assert found["headers"] == {"large": "x" * 2**20, "odd": {"base64": "/w=="}}
    assert path.startswith(str(tmp_path))
    assert not list(tmp_path.glob("envelope-*"))
    assert ended.counts.succeeded == 1


# How a command ends


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("exit 3", "exit code 3"),
        ("kill -SEGV $$", "killed by SIGSEGV"),
        ("kill -KILL $$", "killed by SIGKILL"),
    ],
)
def test_failed_command_fails_its_item(tmp_path: Path, script: str, reason: str) -> None:
    ended = run(tmp_path, ["poison"], *SHELL, script)
    assert ended.letters == [("poison", reason)]
    assert ended.code == 0
    assert ended.counts == ItemCounts(dead_lettered=1, attempts_failed=1)


def test_captured_output_gives_the_reason_its_last_line(tmp_path: Path) -> None:
    script = "echo fine; echo first >&2; echo 'no such fruit' >&2; echo >&2; exit 3"
    ended = run(tmp_path, ["poison"], "run", "--prefix-output", "--", "sh", "-c", script)
    assert ended.letters == [("poison", "exit code 3: no such fruit")]


def test_lines_are_passed_on_whole_with_their_item(tmp_path: Path) -> None:
    script = "printf 'one\\ntw'; sleep 0.1; printf 'o\\nthree'; echo bad >&2"
    ended = run(tmp_path, ["apple"], "run", "--prefix-output", "--", "sh", "-c", script)
    assert ended.out == "[item-1] one\n[item-1] two\n[item-1] three\n"
    assert "[item-1] bad\n" in ended.err


def test_output_that_a_grandchild_keeps_open_holds_nothing_up(tmp_path: Path) -> None:
    began = time.monotonic()
    script = "sleep 30 & echo $!"
    ended = run(tmp_path, ["apple"], "run", "--prefix-output", "--", "sh", "-c", script)
    assert time.monotonic() - began < 20
    os.kill(int(ended.out.split()[1]), signal.SIGKILL)
    assert ended.counts.succeeded == 1


@pytest.mark.parametrize(
    ("name", "said"), [("nonesuch", "not found"), ("message", "is not executable")]
)
def test_missing_command_touches_no_item(tmp_path: Path, name: str, said: str) -> None:
    ended = run(tmp_path, ["apple"], "run", "--", name, environ={"PATH": str(tmp_path)})
    assert (ended.code, ended.left) == (1, 1)
    assert f"command '{name}' {said}" in ended.err
    assert said in ended.message


def test_command_without_its_interpreter_releases_the_item(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("#!/nonexistent/interpreter\n")
    script.chmod(0o755)
    ended = run(tmp_path, ["apple"], "run", "--", str(script))
    assert (ended.code, ended.left) == (1, 1)
    assert ended.counts == ItemCounts(released=1)
    assert "can't be started" in ended.err


def test_nothing_is_said_of_items_that_succeed(tmp_path: Path) -> None:
    ended = run(tmp_path, ["apple"] * 5, "run", "--", "true")
    assert ended.err.splitlines() == [
        "wqj-worker: started queue=job2",
        "wqj-worker: ended exit_code=0 succeeded=5",
    ]


# Time limits


def test_time_limit_ends_the_whole_group(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script = f'sh -c "trap \\"\\" TERM; echo \\$\\$ >> {pids}; while :; do sleep 1; done" & wait'
    began = time.monotonic()
    command = ("run", "--item-timeout-seconds", "1", "--", "sh", "-c", script)
    ended = run(tmp_path, ["slow"], *command)
    assert 5.5 < time.monotonic() - began < 12
    assert ended.letters == [("slow", "timed out after 1 s")]
    assert not is_running(int(pids.read_text()))


def test_command_that_obeys_the_time_limit_is_not_waited_for_longer(tmp_path: Path) -> None:
    began = time.monotonic()
    ended = run(tmp_path, ["slow"], "run", "--", "sleep", "30", item_timeout_seconds=1)
    assert time.monotonic() - began < 1 + TIMEOUT_KILL_SECONDS
    assert ended.letters == [("slow", "timed out after 1 s")]


def test_exit_code_that_is_final_puts_the_item_aside_at_once(tmp_path: Path) -> None:
    retry = {"max_attempts": 3, "permanent_exit_codes": (65, 66)}
    command = (*SHELL, 'read item; exit "$item"')
    ended = run(tmp_path, ["65\n", "3\n", "66\n"], *command, retry=retry)
    assert sorted(ended.letters) == [
        ("3\n", "exit code 3"),
        ("65\n", "exit code 65"),
        ("66\n", "exit code 66"),
    ]
    assert ended.counts == ItemCounts(dead_lettered=3, attempts_failed=5)


def test_exit_code_of_a_command_that_took_too_long_is_not_final(tmp_path: Path) -> None:
    retry = {"max_attempts": 2, "permanent_exit_codes": (65,)}
    command = (*SHELL, "trap 'exit 65' TERM; sleep 60 & wait")
    ended = run(tmp_path, ["apple"], *command, retry=retry, item_timeout_seconds=1)
    assert ended.letters == [("apple", "timed out after 1 s")]
    assert ended.counts == ItemCounts(dead_lettered=1, attempts_failed=2)


def test_exit_0_after_the_time_limit_is_no_success(tmp_path: Path) -> None:
    script = "trap 'exit 0' TERM; sleep 30 & wait"
    ended = run(tmp_path, ["slow"], *SHELL, script, item_timeout_seconds=1)
    assert ended.counts == ItemCounts(dead_lettered=1, attempts_failed=1)


# Being told to stop


def started(process: WorkerProcess, path: Path) -> None:
    eventually(path.exists)
    process.signal()


def test_running_item_is_finished_within_the_grace(tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    process = WorkerProcess(tmp_path, ["apple", "fig"], *SHELL, f"touch {begun}; sleep 1")
    started(process, begun)
    ended = process.end()
    assert (ended.code, ended.left) == (75, 1)
    assert ended.counts == ItemCounts(succeeded=1)


def test_quota_that_is_settled_within_the_grace_is_success(tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    script = f"touch {begun}; sleep 1"
    process = WorkerProcess(tmp_path, ["apple", "fig"], *SHELL, script, quota=1)
    started(process, begun)
    assert process.end().code == 0


def test_item_that_outlasts_the_grace_is_released(tmp_path: Path) -> None:
    begun, pid = tmp_path / "begun", tmp_path / "pid"
    script = f"trap '' TERM; echo $$ > {pid}; touch {begun}; while :; do sleep 0.2; done"
    process = WorkerProcess(tmp_path, ["apple"], *SHELL, script, grace_seconds=2)
    began = time.monotonic()
    started(process, begun)
    process.signal()
    ended = process.end()
    assert time.monotonic() - began < 6
    assert (ended.code, ended.left) == (75, 1)
    assert ended.counts == ItemCounts(released=1)
    assert not is_running(int(pid.read_text()))


def test_command_may_save_its_work_when_it_is_gets_its_signal_at_once(tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    script = f"""trap 'echo saved, $ITEM_STOP_SECONDS s left; exit 3' TERM
        touch {begun}; while :; do sleep 0.05; done"""
    process = WorkerProcess(tmp_path, ["apple"], *SHELL, script, stop_signal="AtOnce")
    began = time.monotonic()
    started(process, begun)
    ended = process.end()
    assert time.monotonic() - began < 15
    assert (ended.code, ended.out, ended.left) == (75, "saved, 25 s left\n", 1)
    assert ended.counts == ItemCounts(released=1)


def test_command_that_is_gets_its_signal_at_once_may_still_finish(tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    script = f"trap 'exit 0' TERM; touch {begun}; while :; do sleep 0.05; done"
    process = WorkerProcess(tmp_path, ["apple", "fig"], "run", "--stop-at-once", *SHELL[1:], script)
    started(process, begun)
    ended = process.end()
    assert (ended.code, ended.left) == (75, 1)
    assert ended.counts == ItemCounts(succeeded=1)


def test_command_that_is_gets_its_signal_at_once_has_the_time_until_the_end_of_the_grace(
    tmp_path: Path,
) -> None:
    begun, told = tmp_path / "begun", tmp_path / "told"
    script = f"trap 'touch {told}' TERM; touch {begun}; while :; do sleep 0.05; done"
    process = WorkerProcess(
        tmp_path, ["apple"], *SHELL, script, stop_signal="AtOnce", grace_seconds=4
    )
    started(process, begun)
    eventually(told.exists)
    stopped = time.monotonic()
    ended = process.end()
    assert time.monotonic() - stopped > 1.5
    assert ended.counts == ItemCounts(released=1)


@pytest.mark.parametrize("stop_signal", ["AtEndOfGrace", "AtOnce"])
def test_command_that_fails_after_a_stop_has_not_failed(tmp_path: Path, stop_signal: str) -> None:
    begun, go_on = tmp_path / "begun", tmp_path / "go-on"
    script = f"trap '' TERM; touch {begun}; while [ ! -e {go_on} ]; do sleep 0.05; done; exit 65"
    process = WorkerProcess(
        tmp_path,
        ["apple"],
        *SHELL,
        script,
        stop_signal=stop_signal,
        retry={"max_attempts": 1, "permanent_exit_codes": (65,)},
    )
    started(process, begun)
    eventually(lambda: '"stopping":true' in process.message.read_text())
    go_on.touch()
    ended = process.end()
    assert (ended.code, ended.left, ended.letters) == (75, 1, [])
    assert ended.counts == ItemCounts(released=1)


def test_command_that_takes_too_long_after_a_stop_has_failed(tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    script = f"trap '' TERM; touch {begun}; sleep 60"
    process = WorkerProcess(tmp_path, ["apple"], *SHELL, script, item_timeout_seconds=2)
    started(process, begun)
    ended = process.end()
    assert ended.letters == [("apple", "timed out after 2 s")]


def test_command_learns_how_long_it_has_after_its_signal(tmp_path: Path) -> None:
    environ = {"ITEM_STOP_SECONDS": "of another worker"}
    ended = run(tmp_path, ["apple"], *SHELL, "echo $ITEM_STOP_SECONDS", environ=environ)
    assert ended.out == "2\n"


def test_idle_worker_stops_at_once(tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    process = WorkerProcess(tmp_path, ["apple"], *SHELL, f"touch {begun}", idle_seconds=60)
    eventually(begun.exists)
    time.sleep(0.3)
    began = time.monotonic()
    process.signal()
    assert process.end().code == 75
    assert time.monotonic() - began < 3


def test_other_signals_are_forwarded(tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    script = f"trap 'echo got it; exit 0' USR1; touch {begun}; while :; do sleep 0.05; done"
    process = WorkerProcess(tmp_path, ["apple"], *SHELL, script)
    eventually(begun.exists)
    process.signal(signal.SIGUSR1)
    ended = process.end()
    assert (ended.out, ended.counts.succeeded) == ("got it\n", 1)


def test_command_has_default_handlers_and_an_empty_mask(tmp_path: Path) -> None:
    ended = run(tmp_path, ["apple"], "run", "--", "cat", "/proc/self/status")
    status = dict(line.split(":", 1) for line in ended.out.splitlines() if line.startswith("Sig"))
    # Above 31 are those that the C library keeps for itself.
    found = {name: int(status[name], 16) & 0x7FFFFFFF for name in ("SigBlk", "SigIgn", "SigCgt")}
    assert found == {"SigBlk": 0, "SigIgn": 0, "SigCgt": 0}


def test_lost_lease_ends_the_command(tmp_path: Path) -> None:
    ended = run(tmp_path, ["slow"], *SHELL, "sleep 30", lease_seconds=0.6, frozen=True)
    assert ended.counts == ItemCounts(leases_lost=1)
    assert "lease lost" in ended.err
    assert ended.code == 0


# Orphans


@pytest.mark.parametrize(
    "wrapper", [(), ("unshare", "--pid", "--fork", "--mount-proc")], ids=["subreaper", "pid-1"]
)
def test_orphans_are_reaped_after_each_item(tmp_path: Path, wrapper: tuple[str, ...]) -> None:
    if wrapper and os.geteuid() != 0:
        pytest.skip("only root may make a process namespace here")
    script = "(sleep 0.1 &); sleep 0.4; ps -o stat= --ppid $PPID | grep -c Z"
    ended = run(tmp_path, ["one", "two", "three"], *SHELL, script, wrapper=wrapper)
    # Each sees its own orphan, and none of those before.
    assert ended.out == "1\n1\n1\n"


def test_unwritable_directory_for_files_is_no_fault_of_the_item(tmp_path: Path) -> None:
    script = "import os, tempfile\ntempfile.tempdir = '/nonexistent'\n"
    (tmp_path / "sitecustomize.py").write_text(script)
    environ = {"PYTHONPATH": f"{tmp_path}:{ROOT / 'operator'}"}
    ended = run(tmp_path, ["apple"], "run", "--as-file", "--", "true", environ=environ)
    assert (ended.code, ended.left) == (1, 1)
    assert ended.counts == ItemCounts(released=1)
    assert "mount a writable volume at /tmp" in ended.message


# The termination message


@pytest.mark.parametrize(
    "write",
    [
        "echo converted > {message}",
        "echo converted >> {message}",
        ": > {message}",
        "head -c 100000 /dev/zero > {message}",
        "head -c 4090 /dev/urandom | tee -a {message} > /dev/null",
        "(sleep 0.05; echo converted > {message}) & echo converted > {message}",
    ],
)
def test_report_survives_what_the_command_writes_in_its_place(tmp_path: Path, write: str) -> None:
    script = f"{write.format(message=tmp_path / 'message')}; ! grep -q bad"
    ended = run(tmp_path, ["apple", "bad", "fig"], *SHELL, script)
    assert ended.code == 0
    assert ended.counts == ItemCounts(succeeded=2, dead_lettered=1, attempts_failed=1)


def test_what_the_command_wrote_last_is_in_the_report(tmp_path: Path) -> None:
    message = tmp_path / "message"
    script = f"read item; echo \"$item 'converted'\" > {message}"
    ended = run(tmp_path, ["apple\n", "fig\n"], *SHELL, script)
    assert json.loads(ended.message) == {
        "wqj": 1,
        "succeeded": 2,
        "message": "fig 'converted'",
    }


# What the system refuses

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may do this here")


def small_volume(directory: Path) -> tuple[str, ...]:
    """Return what starts a program with a volume of 256 KiB in this folder."""
    directory.mkdir()
    script = f'mount -t tmpfs -o size=256k tmpfs {directory} && exec "$@"'
    return ("unshare", "--mount", "sh", "-c", script, "sh")


@as_root
def test_item_that_is_larger_than_the_volume_for_files_fails_only_itself(tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    command = ("run", "--as-file", "--", "sh", "-c", 'cat "$1"', "sh")
    ended = run(
        tmp_path,
        ["x" * 2**20, "apple", "y" * 2**20, "fig"],
        *command,
        wrapper=small_volume(volume),
        environ={"TMPDIR": str(volume)},
        retry={"max_attempts": 2},
    )
    assert (ended.code, ended.out, ended.left) == (0, "applefig", 0)
    assert ended.counts == ItemCounts(succeeded=2, dead_lettered=2, attempts_failed=4)
    for _, reason in ended.letters:
        assert f"the item has 1048576 bytes, and there is no room for it in {volume}" in reason
        assert "No space left on device" in reason


@as_root
def test_volume_that_is_full_costs_one_item_an_attempt_and_ends_the_worker(tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    script = f'rm "$1"; head -c 300000 /dev/zero > {volume}/rest; true'
    ended = run(
        tmp_path,
        ["apple", "fig", "cherry"],
        *("run", "--as-file", "--", "sh", "-c", script, "sh"),
        wrapper=small_volume(volume),
        environ={"TMPDIR": str(volume)},
        retry={"max_attempts": 2},
    )
    assert (ended.code, ended.left) == (1, 2)
    assert ended.counts == ItemCounts(succeeded=1, attempts_failed=1)
    assert "short of disk space (No space left on device)" in ended.message


@pytest.mark.parametrize("way", ["--as-file", "--prefix-output"])
def test_item_that_is_larger_than_any_file_may_be_fails_only_itself(
    tmp_path: Path, way: str
) -> None:
    wrapper = ("prlimit", f"--fsize={2**16}")
    items = ["x" * 2**20, "apple"]
    ended = run(tmp_path, items, "run", way, "--", "true", wrapper=wrapper)
    ((_, reason),) = ended.letters
    assert (ended.code, ended.counts.succeeded) == (0, 1)
    assert "the item has 1048576 bytes" in reason
    assert "File too large" in reason


@as_root
def test_pod_that_may_start_no_process_costs_one_item_an_attempt(tmp_path: Path) -> None:
    # For the worker and its thread.
    wrapper = (
        *("setpriv", "--reuid=54321", "--clear-groups"),
        *("--inh-caps=-all,+dac_override", "--ambient-caps=-all,+dac_override"),
        *("prlimit", "--nproc=2"),
    )
    items = ["apple", "fig"]
    ended = run(tmp_path, items, *SHELL, "true", wrapper=wrapper, retry={"max_attempts": 2})
    assert (ended.code, ended.left) == (1, 2)
    assert ended.counts == ItemCounts(attempts_failed=1)
    assert "short of processes (Resource temporarily unavailable)" in ended.message


@pytest.mark.parametrize("way", [(), ("--prefix-output",), ("--as-file",)])
def test_pod_without_file_descriptors_costs_one_item_an_attempt(
    tmp_path: Path, way: tuple[str, ...]
) -> None:
    # Three that it begins with, the message's, and two of the pipe that wakes it.
    wrapper = ("prlimit", "--nofile=6")
    ended = run(tmp_path, ["apple", "fig"], "run", *way, "--", "true", wrapper=wrapper)
    assert (ended.code, ended.left) == (1, 1)
    assert ended.counts == ItemCounts(dead_lettered=1, attempts_failed=1)
    ((_, reason),) = ended.letters
    assert "short of open files (Too many open files)" in reason


def test_output_that_nobody_takes_costs_no_item(tmp_path: Path) -> None:
    wrapper = ("sh", "-c", 'exec "$@" > /dev/full', "sh")
    command = ("run", "--prefix-output", "--", "echo", "converted")
    ended = run(tmp_path, ["apple", "fig"], *command, wrapper=wrapper)
    assert (ended.code, ended.counts) == (0, ItemCounts(succeeded=2))


def test_worker_that_runs_out_of_memory_while_it_fetches_says_so(tmp_path: Path) -> None:
    ended = run(tmp_path, ["apple"], *SHELL, "true", starved=True)
    assert (ended.code, ended.left) == (1, 1)
    assert ended.counts == ItemCounts()
    assert "out of memory" in ended.message
    assert "Traceback" not in ended.err


def test_program_that_vanishes_costs_no_item_an_attempt(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\nrm {program}\n")
    program.chmod(0o755)
    ended = run(tmp_path, ["apple", "fig"], "run", "--", str(program))
    assert (ended.code, ended.left) == (1, 1)
    assert ended.counts == ItemCounts(succeeded=1, released=1)


def test_program_of_another_machine_costs_no_item_an_attempt(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_bytes(b"\x7fELF" + bytes(100))
    program.chmod(0o755)
    ended = run(tmp_path, ["apple"], "run", "--", str(program))
    assert (ended.code, ended.left) == (1, 1)
    assert ended.counts == ItemCounts(released=1)
    assert "can't be started (Exec format error)" in ended.message


# What a command does to the pod it runs in


@pytest.mark.parametrize("setting", ["item_timeout_seconds", "grace_seconds"])
def test_limit_of_many_days_is_waited_for(tmp_path: Path, setting: str) -> None:
    limit: dict[str, object] = {setting: 30 * 86_400}
    script = "kill -TERM $PPID; sleep 0.5"
    ended = run(tmp_path, ["apple"], *SHELL, script, **limit)
    assert ended.counts == ItemCounts(succeeded=1)
    assert "Traceback" not in ended.err


def test_process_that_a_command_leaves_behind_is_no_zombie_while_it_runs(tmp_path: Path) -> None:
    zombies = 'cat /proc/[0-9]*/stat 2>/dev/null | grep -c ") Z $PPID "'
    script = f"""
        sh -c 'sleep 0.1 &'
        sleep 0.5
        for _ in $(seq 40); do test "$({zombies})" = 0 && exit 0; sleep 0.1; done
        exit 1
    """
    ended = run(tmp_path, ["apple"], *SHELL, script)
    assert ended.counts == ItemCounts(succeeded=1)


def test_commands_that_leave_processes_behind_are_named_once(tmp_path: Path) -> None:
    script = f"sleep 60 >{tmp_path}/out 2>&1 & echo $! >>{tmp_path}/pids"
    ended = run(tmp_path, ["apple", "fig", "kiwi"], *SHELL, script)
    for pid in (tmp_path / "pids").read_text().split():
        os.kill(int(pid), signal.SIGKILL)
    assert ended.counts == ItemCounts(succeeded=3)
    assert ended.err.count("leave processes behind") == 1


def test_output_of_a_process_that_stays_is_not_waited_for(tmp_path: Path) -> None:
    ended = run(tmp_path, ["apple"], "run", "--prefix-output", "--", "sh", "-c", "yes & exit 0")
    assert (ended.code, ended.counts) == (0, ItemCounts(succeeded=1))


def test_command_may_change_the_settings_of_its_terminal(tmp_path: Path) -> None:
    spawn = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))"
    ended = run(
        tmp_path,
        ["apple", "fig"],
        *SHELL,
        "stty -echo </dev/tty && stty echo </dev/tty",
        wrapper=(sys.executable, "-c", spawn),
        item_timeout_seconds=10,
    )
    assert (ended.code, ended.counts, ended.letters) == (0, ItemCounts(succeeded=2), [])
