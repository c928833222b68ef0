#!/usr/bin/env python3
"""Run the contract suites on each version of RabbitMQ, Redis and Valkey that is supported.

`--only rabbitmq-4.3` picks one server. They are Debian's, each suite in a folder of the cache, and
run as processes on loopback. On the machine itself only debootstrap is installed.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

from dev.local.console import say
from dev.local.errors import LocalClusterError, WrongMachine
from dev.local.layout import build_layout
from dev.local.servers import SERVERS, Server, ensure_server, find_server, read_version
from dev.servers.installation import CHOICE

ROOT = Path(__file__).resolve().parents[1]
PYTEST = ROOT / ".venv" / "bin" / "pytest"
PYTEST_WORKERS = "2"


@dataclass(frozen=True, slots=True)
class Result:
    """The results of the suites on one server."""

    server: Server
    version: str
    """The installed version."""
    passed: int
    failed: int
    skipped: int
    seconds: float

    @property
    def is_good(self) -> bool:
        """Whether all tests ran and passed."""
        return self.passed > 0 and self.failed == self.skipped == 0

    def __str__(self) -> str:
        return (
            f"{self.server.name:14} {self.version:8} {self.passed:4} passed {self.failed:3} failed"
            f" {self.skipped:3} skipped {self.seconds:6.0f} s"
        )


def main() -> int:
    """Return 0 when every test passed on every server, else 1."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", default="", help="names of servers, separated by spaces")
    only: str = parser.parse_args().only
    try:
        if os.geteuid() != 0:
            raise WrongMachine("chroot needs root; run it as root")
        servers = [find_server(name) for name in only.split()] or list(SERVERS)
        results = [_run_suites(server) for server in servers]
    except LocalClusterError as error:
        say(str(error))
        return 1
    print("\n".join(str(result) for result in results))
    failed = sum(not result.is_good for result in results)
    print(f"{len(results) - failed} passed, {failed} failed")
    return 1 if failed else 0


def _run_suites(server: Server) -> Result:
    version = read_version(ensure_server(build_layout(), server), server)
    say(f"   ...   contract suites on {server.name} ({version} of {server.suite})")
    with tempfile.TemporaryDirectory() as directory:
        report = Path(directory) / "report.xml"
        started = time.monotonic()
        subprocess.run(
            [
                *(str(PYTEST), "-q", "-n", PYTEST_WORKERS, "--dist", "loadscope"),
                *("tests/contract", "-m", server.speaks, f"--junitxml={report}"),
            ],
            cwd=ROOT,
            env={**os.environ, CHOICE: server.name},
            check=False,
        )
        return read_result(report, server, version=version, seconds=time.monotonic() - started)


def read_result(report: Path, server: Server, *, version: str, seconds: float) -> Result:
    """Return the result in pytest's report; without a report nothing has passed."""
    counts = dict.fromkeys(("tests", "failures", "errors", "skipped"), 0)
    if report.exists():
        suite = ET.parse(report).getroot().find("testsuite")  # noqa: S314 - pytest wrote it
        if suite is not None:
            counts = {name: int(suite.get(name, "0")) for name in counts}
    failed = counts["failures"] + counts["errors"]
    return Result(
        server,
        version,
        passed=counts["tests"] - failed - counts["skipped"],
        failed=failed,
        skipped=counts["skipped"],
        seconds=seconds,
    )


if __name__ == "__main__":
    sys.exit(main())
