"""The library in a program of its own: signals, and how programs end."""

import time
from pathlib import Path

from tests.unit.worker.processes import WorkerProcess, eventually
from workqueuejob.contract.report import ItemCounts

BEGIN = "import time, pathlib\n"


def test_item_in_hand_is_finished_within_the_grace(tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    loop = f"{BEGIN}for item in worker:\n  pathlib.Path({str(begun)!r}).touch(); time.sleep(1)"
    process = WorkerProcess(tmp_path, ["apple", "fig"], loop=loop)
    eventually(begun.exists)
    process.signal()
    process.signal()
    ended = process.end()
    assert (ended.code, ended.left) == (75, 1)
    assert ended.counts == ItemCounts(succeeded=1)
    assert "told to stop" in ended.message


def test_item_that_outlasts_the_grace_is_released_and_the_program_cleans_up(
    tmp_path: Path,
) -> None:
    begun = tmp_path / "begun"
    loop = f"""{BEGIN}
for item in worker:
  with item:
    pathlib.Path({str(begun)!r}).touch()
    try:
      time.sleep(30)
    finally:
      print("cleaned up")
"""
    process = WorkerProcess(tmp_path, ["apple"], loop=loop, grace_seconds=2)
    eventually(begun.exists)
    process.signal()
    ended = process.end()
    assert (ended.code, ended.left, ended.out) == (75, 1, "cleaned up\n")
    assert ended.counts == ItemCounts(released=1)


def test_bare_loop_releases_too_when_the_grace_is_over(tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    loop = f"{BEGIN}for item in worker:\n  pathlib.Path({str(begun)!r}).touch(); time.sleep(30)"
    process = WorkerProcess(tmp_path, ["apple"], loop=loop, grace_seconds=2)
    eventually(begun.exists)
    process.signal()
    ended = process.end()
    assert ended.code == 75
    assert ended.counts == ItemCounts(released=1)


def test_work_that_can_not_be_interrupted_is_ended_and_its_item_released(tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    loop = f"""{BEGIN}
for item in worker:
  pathlib.Path({str(begun)!r}).touch()
  while True:
    try:
      time.sleep(30)
    except BaseException:
      pass
"""
    process = WorkerProcess(tmp_path, ["apple"], loop=loop, grace_seconds=2)
    eventually(begun.exists)
    began = time.monotonic()
    process.signal()
    ended = process.end()
    assert time.monotonic() - began < 8
    assert ended.code == 75
    assert ended.counts == ItemCounts(released=1)
    assert "did not end in time" in ended.err


def test_programs_own_handler_is_left_alone(tmp_path: Path) -> None:
    loop = """
import os, signal
signal.signal(signal.SIGTERM, lambda *_: print("mine"))
for item in worker:
  os.kill(os.getpid(), signal.SIGTERM)
"""
    ended = WorkerProcess(tmp_path, ["apple", "fig"], loop=loop).end()
    assert (ended.code, ended.out) == (0, "mine\nmine\n")
    assert ended.counts == ItemCounts(succeeded=2)


def test_sigterm_ends_a_program_as_ever_after_its_loop(tmp_path: Path) -> None:
    loop = """
import os, signal
for item in worker: pass
os.kill(os.getpid(), signal.SIGTERM)
"""
    assert WorkerProcess(tmp_path, ["apple"], loop=loop).end().code == -15


def test_uncaught_exception_fails_the_item_and_ends_the_program(tmp_path: Path) -> None:
    loop = "for item in worker:\n  raise ValueError('no good')"
    ended = WorkerProcess(tmp_path, ["apple"], loop=loop, retry={"max_attempts": 3}).end()
    assert (ended.code, ended.left) == (1, 1)
    assert ended.counts == ItemCounts(attempts_failed=1)
    assert "no good" in ended.err


def test_iterator_that_is_kept_is_closed_at_the_programs_end(tmp_path: Path) -> None:
    loop = "import builtins\nbuiltins.kept = iter(worker)\nnext(builtins.kept)"
    ended = WorkerProcess(tmp_path, ["apple"], loop=loop, retry={"max_attempts": 3}).end()
    assert ended.code == 0
    assert ended.counts == ItemCounts(attempts_failed=1)


def test_item_is_kept_while_the_work_takes_longer_than_the_lease(tmp_path: Path) -> None:
    loop = "import time\nfor item in worker: time.sleep(1.5)"
    ended = WorkerProcess(tmp_path, ["apple"], loop=loop, lease_seconds=0.5).end()
    assert ended.counts == ItemCounts(succeeded=1)


def test_worker_runs_in_a_thread_that_can_not_handle_signals(tmp_path: Path) -> None:
    loop = """
import threading
def work():
  for item in worker:
    with item: print(item.text)
thread = threading.Thread(target=work)
thread.start()
thread.join()
"""
    ended = WorkerProcess(tmp_path, ["apple"], loop=loop).end()
    assert (ended.out, ended.counts.succeeded) == ("apple\n", 1)


def test_report_survives_what_the_program_writes_in_its_place_at_its_end(tmp_path: Path) -> None:
    message = tmp_path / "message"
    loop = f"""{BEGIN}
path = pathlib.Path({str(message)!r})
for item in worker:
  with item:
    path.write_text(item.text)
path.write_text("all fruit converted")
"""
    ended = WorkerProcess(tmp_path, ["apple", "fig"], loop=loop).end()
    assert ended.counts == ItemCounts(succeeded=2)
    assert "all fruit converted" in ended.message


def test_report_survives_an_uncaught_exception_and_what_is_written_of_it(tmp_path: Path) -> None:
    message = tmp_path / "message"
    loop = f"""{BEGIN}
import sys
def say(kind, error, trace):
  pathlib.Path({str(message)!r}).write_text(str(error))
sys.excepthook = say
for item in worker:
  raise ValueError('no good')
"""
    ended = WorkerProcess(tmp_path, ["apple"], loop=loop, retry={"max_attempts": 3}).end()
    assert (ended.code, ended.left) == (1, 1)
    assert ended.counts == ItemCounts(attempts_failed=1)
    assert "no good" in ended.message


def test_code_that_keeps_the_interpreter_for_longer_than_the_lease_is_named(
    tmp_path: Path,
) -> None:
    loop = """
import ctypes
first = True
for item in worker:
  if first:
    first = False
    # PyDLL does not release the GIL.
    ctypes.PyDLL(None).usleep(2_000_000)
    while not item.is_lost:
      pass
"""
    ended = WorkerProcess(tmp_path, ["apple"], loop=loop, lease_seconds=0.6).end()
    assert "did not release Python's interpreter" in ended.message
    assert ended.counts.leases_lost == 1
