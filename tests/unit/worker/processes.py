"""Starts `worker_process.py` and reads what became of it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workqueuejob.contract.report import ItemCounts, read_report

ROOT = Path(__file__).parents[3]
SCRIPT = Path(__file__).with_name("worker_process.py")
PATIENCE_SECONDS = 30.0


@dataclass
class Ended:
    code: int
    out: str
    err: str
    counts: ItemCounts
    message: str
    letters: list[tuple[str, str]] = field(default_factory=list)
    left: int | None = None


class WorkerProcess:
    """A worker that runs. Items and headers are text, each character a byte."""

    def __init__(
        self,
        directory: Path,
        items: list[str],
        *command: str,
        loop: str = "",
        wrapper: tuple[str, ...] = (),
        environ: dict[str, str] | None = None,
        retry: dict[str, Any] | None = None,
        lease_seconds: float = 30,
        frozen: bool = False,
        starved: bool = False,
        headers: dict[str, str] | None = None,
        **settings: Any,
    ) -> None:
        self.message = directory / "message"
        self.message.touch()
        told = {
            "items": items,
            "loop": loop,
            "message": str(self.message),
            "retry": retry or {"max_attempts": 1},
            "settings": settings,
            "lease_seconds": lease_seconds,
            "frozen": frozen,
            "starved": starved,
            "headers": headers or {},
        }
        assignment = directory / "assignment"
        assignment.write_text(json.dumps(told))
        self.process = subprocess.Popen(
            [*wrapper, sys.executable, str(SCRIPT), str(assignment), *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(ROOT / "operator"),
                "TMPDIR": str(directory),
                "PYTHONFAULTHANDLER": "1",
                **(environ or {}),
            },
        )

    def signal(self, number: int = signal.SIGTERM) -> None:
        self.process.send_signal(number)

    def end(self) -> Ended:
        try:
            out, err = self.process.communicate(timeout=PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            # Python tells then where each of its threads is.
            self.process.send_signal(signal.SIGABRT)
            _, err = self.process.communicate(timeout=PATIENCE_SECONDS)
            raise AssertionError(f"it did not end:\n{err.decode(errors='replace')}") from None
        text = self.message.read_text(errors="replace")
        report = read_report(text)
        assert report is not None, text
        queue = self.message.with_suffix(".queue")
        found = json.loads(queue.read_text()) if queue.exists() else {}
        return Ended(
            code=self.process.returncode,
            out=out.decode("latin-1"),
            err=err.decode(errors="replace"),
            counts=report.counts,
            message=text,
            letters=[(body, reason) for body, reason in found.get("letters", ())],
            left=found.get("left"),
        )


def as_in_a_pod() -> tuple[str, ...]:
    """Return what starts a program without root's right to read every process."""
    return ("setpriv", "--bounding-set=-all") if os.geteuid() == 0 else ()


def eventually(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


def is_running(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"
