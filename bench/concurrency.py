#!/usr/bin/env python3
"""Measure what several items at once gain, and the memory that they take.

Each item sleeps for 100 ms. The same worker settles them one by one and 16 at once, in turns: in
threads, in tasks of asyncio, and by commands. A ratio is the median over the pairs, of items a
second of wall time without start and end. 16 is the most that it can be. Then 64 items are at work
at once, and the memory of the worker and all its processes is read: their proportional share (PSS),
as pages that processes have in common are charged to a pod once. Run it as
`.venv/bin/python -m bench.concurrency`; it takes about five minutes.
"""

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from bench.worker import Bench, running_brokers
from workqueuejob.brokers.kafka.settings import KafkaSource
from workqueuejob.contract.report import read_report

SLEEP_SECONDS = 0.1
_PATIENCE_SECONDS = 60.0

_THREADS = """
import time
from workqueuejob.worker import Worker

Worker().run(lambda item: time.sleep({seconds}))
"""
_TASKS = """
import asyncio
from workqueuejob.worker import AsyncWorker

async def work(item):
    await asyncio.sleep({seconds})

asyncio.run(AsyncWorker().run(work))
"""


def main() -> None:
    """Print one line for each broker and kind of program."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--concurrency", type=int, default=16)
    parser.add_argument("--held", type=int, default=64, help="items at work while memory is read")
    parser.add_argument("--rounds", type=int, default=50, help="items that each hand gets")
    parser.add_argument("--pairs", type=int, default=3)
    options = parser.parse_args()
    with running_brokers() as benches:
        for bench in benches:
            # At Kafka the partitions decide.
            if isinstance(bench.source, KafkaSource):
                continue
            for kind in ("threads", "tasks", "commands"):
                _compare(bench, kind, options)
                memory = _measure_memory(bench, kind, options.held)
                print(f"{bench.title:<11} {kind:<9} {options.held} items: {memory:.0f} MiB")


def _compare(bench: Bench, kind: str, options: argparse.Namespace) -> None:
    singly: list[float] = []
    at_once: list[float] = []
    for number in range(options.pairs):
        turns = [(1, singly), (options.concurrency, at_once)]
        for concurrency, rates in turns if number % 2 else reversed(turns):
            rates.append(_measure_rate(bench, kind, concurrency, options.rounds))
    ratios = [many / one for many, one in zip(at_once, singly, strict=True)]
    print(
        f"{bench.title:<11} {kind:<9} 1: {statistics.median(singly):5.1f}/s"
        f"  {options.concurrency}: {statistics.median(at_once):6.1f}/s"
        f"  ratio {statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})",
        flush=True,
    )


def _measure_rate(bench: Bench, kind: str, concurrency: int, rounds: int) -> float:
    """Return items a second; start and end cancel out, because a run of one round is subtracted."""
    whole = _run(bench, kind, concurrency * rounds, concurrency)
    return concurrency * (rounds - 1) / (whole - _run(bench, kind, concurrency, concurrency))


def _run(bench: Bench, kind: str, items: int, concurrency: int) -> float:
    """Return the seconds of a worker that works on so many items."""
    bench.fill(items)
    started = time.perf_counter()
    subprocess.run(
        _build_command(kind, SLEEP_SECONDS),
        env=bench.environment(items, concurrency=concurrency),
        check=True,
        stderr=subprocess.DEVNULL,
    )
    return time.perf_counter() - started


def _measure_memory(bench: Bench, kind: str, held: int) -> float:
    """Return the MiB that a worker and its processes take while so many are in hand."""
    bench.fill(held)
    with subprocess.Popen(
        _build_command(kind, 100 * SLEEP_SECONDS),
        env=bench.environment(held, concurrency=held),
        stderr=subprocess.DEVNULL,
    ) as process:
        ends_at = time.monotonic() + _PATIENCE_SECONDS
        while _count_held(bench.message_path) < held:
            if time.monotonic() > ends_at or process.poll() is not None:
                raise RuntimeError(f"never were {held} items in hand of {kind}")
            time.sleep(0.02)
        kibibytes = sum(map(_read_share, _list_processes(process.pid)))
        if process.wait():
            raise RuntimeError(f"{kind} ended with {process.returncode}")
    return kibibytes / 1024


def _build_command(kind: str, seconds: float) -> list[str]:
    if kind == "commands":
        return [sys.executable, "-m", "workqueuejob.worker", "run", "--", "sleep", str(seconds)]
    program = _THREADS if kind == "threads" else _TASKS
    return [sys.executable, "-c", program.format(seconds=seconds)]


def _count_held(message_path: Path) -> int:
    report = read_report(message_path.read_text())
    return 0 if report is None else report.held


def _list_processes(pid: int) -> Iterator[int]:
    """Yield a process and all its descendants."""
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in children.read_text().split():
            yield from _list_processes(int(child))


def _read_share(pid: int) -> int:
    """Return the KiB of a process, of shared pages its share."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0


if __name__ == "__main__":
    main()
