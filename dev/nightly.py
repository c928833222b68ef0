#!/usr/bin/env python3
"""Run all that is too long for `make test`, one target after another, and print one summary.

A target that fails does not end the run. The output of each goes to a file of its own.
"""

import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from dev.local.console import step

ROOT = Path(__file__).resolve().parents[1]
LOGS = Path("/tmp/workqueuejob-nightly")  # noqa: S108 - logs, on any machine
TARGETS = (
    ("long-tests",),
    ("model",),
    ("runtime",),
    ("crowd",),
    ("contract-versions",),
    ("chaos", "SEED=1"),
)


@dataclass(frozen=True, slots=True)
class Result:
    """How a target ended."""

    target: str
    code: int
    seconds: float
    last_line: str


def main() -> int:
    """Return 0 when every target passed, else 1."""
    LOGS.mkdir(exist_ok=True)
    results = [_run(target) for target in TARGETS]
    _print_summary(results)
    return int(any(result.code for result in results))


def _run(target: tuple[str, ...]) -> Result:
    name = " ".join(target)
    path = LOGS / f"{target[0]}.log"
    started = time.monotonic()
    with path.open("w+") as log, step(f"make {name}, see {path}"):
        done = subprocess.run(
            ["make", *target], cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, check=False
        )
    lines = path.read_text().rstrip().splitlines()
    return Result(name, done.returncode, time.monotonic() - started, lines[-1] if lines else "")


def _print_summary(results: list[Result]) -> None:
    table = Table("target", "result", "minutes", "last line")
    for result in results:
        outcome = "failed" if result.code else "passed"
        table.add_row(result.target, outcome, f"{result.seconds / 60:.1f}", result.last_line)
    Console().print(table)


if __name__ == "__main__":
    sys.exit(main())
