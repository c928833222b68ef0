"""Children that a program with the library makes: they end when told to, and settle nothing."""

from pathlib import Path

import pytest

from tests.unit.worker.processes import Ended, WorkerProcess
from workqueuejob.contract.report import ItemCounts

FORK = """
import os, sys
def in_child(work):
  sys.stdout.flush()
  pid = os.fork()
  if pid:
    _, status = os.waitpid(pid, 0)
    print(os.waitstatus_to_exitcode(status))
  else:
    work()
"""


def run(directory: Path, loop: str, *items: str) -> Ended:
    process = WorkerProcess(
        directory, list(items or ("apple",)), loop=loop, retry={"max_attempts": 3}
    )
    return process.end()


# Ending children


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_pool_of_processes_ends_with_its_block(tmp_path: Path, method: str) -> None:
    loop = f"""
import multiprocessing, time
context = multiprocessing.get_context({method!r})
for item in worker:
  with item, context.Pool(2) as pool:
    print(pool.map(len, [item.text, "fig"]))
    pool.apply_async(time.sleep, (60,))
"""
    ended = run(tmp_path, loop)
    assert (ended.code, ended.out) == (0, "[5, 3]\n")
    assert ended.counts == ItemCounts(succeeded=1)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_process_of_multiprocessing_is_terminated(tmp_path: Path, method: str) -> None:
    loop = f"""
import multiprocessing, time
context = multiprocessing.get_context({method!r})
for item in worker:
  with item:
    process = context.Process(target=time.sleep, args=(60,))
    process.start()
    process.terminate()
    process.join()
    print(process.exitcode)
"""
    ended = run(tmp_path, loop)
    assert (ended.code, ended.out) == (0, "-15\n")
    assert ended.counts == ItemCounts(succeeded=1)


def test_executor_of_processes_and_subprocesses_work(tmp_path: Path) -> None:
    loop = """
import concurrent.futures, subprocess
for item in worker:
  with item:
    with concurrent.futures.ProcessPoolExecutor(2) as pool:
      print(list(pool.map(len, [item.text, "fig"])), flush=True)
    subprocess.run(["echo", item.text], check=True)
    subprocess.run(["echo", item.text], check=True, preexec_fn=lambda: None)
"""
    ended = run(tmp_path, loop)
    assert (ended.code, ended.out) == (0, "[5, 3]\napple\napple\n")
    assert ended.counts == ItemCounts(succeeded=1)


def test_programs_own_handler_is_left_to_its_children(tmp_path: Path) -> None:
    loop = f"""{FORK}
import signal
def handle(*_):
  worker.stop()
  print("mine", flush=True)
  os._exit(3)
signal.signal(signal.SIGTERM, handle)
for item in worker:
  in_child(lambda: os.kill(os.getpid(), signal.SIGTERM))
"""
    ended = run(tmp_path, loop)
    assert (ended.code, ended.out) == (0, "mine\n3\n")
    assert ended.counts == ItemCounts(succeeded=1)


# Settling


@pytest.mark.parametrize("block", ["pass", "with item"])
@pytest.mark.parametrize(
    ("way", "code"),
    [
        ("sys.exit(0)", 0),
        ("sys.exit(3)", 3),
        ("os._exit(4)", 4),
        ("raise ValueError('no good')", 1),
        ("raise KeyboardInterrupt", -2),
        ("os.kill(os.getpid(), 15)", -15),
    ],
)
def test_child_that_ends_in_the_loop_leaves_the_item_to_its_parent(
    tmp_path: Path, block: str, way: str, code: int
) -> None:
    body = "with item: in_child(leave)" if block == "with item" else "in_child(leave)"
    loop = f"{FORK}\ndef leave(): {way}\nfor item in worker:\n  {body}"
    ended = run(tmp_path, loop)
    assert (ended.code, ended.out) == (0, f"{code}\n")
    assert ended.counts == ItemCounts(succeeded=1)


@pytest.mark.parametrize("body", ["in_child(int)", "with item: in_child(int)"])
def test_child_that_goes_on_in_the_loop_is_ended_by_an_error(tmp_path: Path, body: str) -> None:
    ended = run(tmp_path, f"{FORK}\nfor item in worker:\n  {body}", "apple", "fig")
    assert (ended.code, ended.out) == (0, "1\n1\n")
    assert ended.counts == ItemCounts(succeeded=2)
    assert "RuntimeError: the worker belongs to the process that made it" in ended.err


def test_loop_that_is_broken_off_in_a_child_settles_nothing(tmp_path: Path) -> None:
    loop = f"""{FORK}
parent = os.getpid()
for item in worker:
  in_child(int)
  if os.getpid() != parent: break
if os.getpid() != parent: sys.exit(5)
"""
    ended = run(tmp_path, loop, "apple", "fig")
    assert (ended.code, ended.out) == (0, "5\n5\n")
    assert ended.counts == ItemCounts(succeeded=2)


@pytest.mark.parametrize(
    "verb",
    ["item.ack()", "item.fail('x')", "item.release()", "item.extend()", "next(iter(worker))"],
)
def test_every_verb_is_refused_in_a_child(tmp_path: Path, verb: str) -> None:
    loop = f"""{FORK}
def misuse():
  try:
    {verb}
  except RuntimeError as error:
    print(error, flush=True)
  os._exit(0)
for item in worker:
  with item: in_child(misuse)
"""
    ended = run(tmp_path, loop)
    refusal, code = ended.out.splitlines()
    assert refusal.startswith("the worker belongs to the process that made it")
    assert (ended.code, code) == (0, "0")
    assert ended.counts == ItemCounts(succeeded=1)


def test_worker_that_is_closed_in_a_child_goes_on_in_its_parent(tmp_path: Path) -> None:
    loop = f"""{FORK}
def close():
  worker.stop()
  worker.close()
  sys.exit(0)
with worker:
  for item in worker:
    with item: in_child(close)
"""
    ended = run(tmp_path, loop, "apple", "fig")
    assert (ended.code, ended.out) == (0, "0\n0\n")
    assert ended.counts == ItemCounts(succeeded=2)


def test_worker_is_not_used_by_a_child_that_it_was_made_before(tmp_path: Path) -> None:
    loop = f"{FORK}\nin_child(lambda: next(iter(worker)))\nfor item in worker: pass"
    ended = run(tmp_path, loop)
    assert (ended.code, ended.out) == (0, "1\n")
    assert ended.counts == ItemCounts(succeeded=1)
    assert "make one in the process that uses it" in ended.err


def test_child_makes_a_worker_of_its_own(tmp_path: Path) -> None:
    loop = f"""{FORK}
from workqueuejob.brokers.redis.settings import RedisSource
from workqueuejob.contract.settings import WorkerSettings
from workqueuejob.worker import Worker
from workqueuejob.brokers.memory.broker import MemoryBroker, MemoryQueue
def work():
  queue = MemoryQueue()
  queue.put(b"cherry")
  settings = WorkerSettings(RedisSource("x"), idle_seconds=0, termination_message_path="/none")
  for item in Worker(settings, broker=MemoryBroker(queue)):
    print(item.text, flush=True)
  os.kill(os.getpid(), 15)
for item in worker:
  with item: in_child(work)
"""
    ended = run(tmp_path, loop)
    assert (ended.code, ended.out) == (0, "cherry\n-15\n")
    assert ended.counts == ItemCounts(succeeded=1)


def test_child_of_a_thread_ends_as_any(tmp_path: Path) -> None:
    loop = f"""{FORK}
import threading, signal
def work():
  in_child(lambda: os.kill(os.getpid(), signal.SIGTERM))
for item in worker:
  thread = threading.Thread(target=work)
  thread.start()
  thread.join()
"""
    ended = run(tmp_path, loop)
    assert (ended.code, ended.out) == (0, "-15\n")
    assert ended.counts == ItemCounts(succeeded=1)


def test_item_is_not_sent_to_another_process(tmp_path: Path) -> None:
    loop = """
import pickle
for item in worker:
  try:
    pickle.dumps(item)
  except TypeError as error:
    print(error)
"""
    ended = run(tmp_path, loop)
    assert "send item.body" in ended.out
    assert ended.counts == ItemCounts(succeeded=1)
