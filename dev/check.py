#!/usr/bin/env python3
"""Run the checks, the quickest first; the last line of the output is the test runner's.

`--quick` runs only checks that need no server and no cluster. `--nightly` runs only the tests that
`make test` leaves out. `--install` installs servers and programs, and runs nothing. What was
started for the tests is stopped; a local cluster that was up before stays up.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from dev.local.console import step
from dev.local.kafka import KAFKA_PACKAGES, ensure_kafka
from dev.local.layout import build_layout
from dev.local.packages import install_packages
from dev.workspaces.prepared import IS_PREPARED

ROOT = Path(__file__).resolve().parents[1]
BIN = ROOT / ".venv" / "bin"
LOCAL = ROOT / "dev" / "cluster"
LOG = Path("/tmp/workqueuejob-packages.log")  # noqa: S108 - a log, on any machine
SERVERS = ("rabbitmq-server", "redis-server", "redis-sentinel", *KAFKA_PACKAGES)

STATIC: dict[str, tuple[str, ...]] = {
    "style": ("ruff", "check", "."),
    "format": ("ruff", "format", "--check", "--quiet", "."),
    "layers": ("lint-imports",),
}
TYPES = ("mypy", "operator", "dev", "crds", "tests", "bench")
QUICK = ("tests/unit", "tests/model", "tests/local")
SERVED = ("tests/contract", "tests/crd", "tests/chart")
ALONE = "disturbs_the_operator"
NIGHTLY = "nightly"
CROWD = "crowd"
"""What `make crowd` runs, with nothing beside it."""
ONE_BY_ONE = ("--dist", "load", "--maxschedchunk", "1")
"""The suite sorts the cluster tests, and each worker that is free takes the next one."""


def main() -> int:
    """Return the exit code of the first check that fails, or 0."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="no server, no cluster")
    parser.add_argument("--nightly", action="store_true", help="only what make test leaves out")
    parser.add_argument("--install", action="store_true", help="install what tests need; run none")
    options = parser.parse_args()
    quick: bool = options.quick
    if options.install:
        _install()
        return 0
    if options.nightly:
        _install()
        return _test_with_cluster(NIGHTLY)
    checks = STATIC | {"types": TYPES} if quick else STATIC
    for title, command in checks.items():
        with step(title):
            code = _run_quietly(*command)
        if code:
            return code
    os.environ.setdefault("HYPOTHESIS_PROFILE", "short")
    if quick:
        return _pytest(*QUICK, "-m", f"not {NIGHTLY}", workers=2)
    _install()
    return _test_with_cluster(f"not {NIGHTLY}")


def _install() -> None:
    """Install the servers of the suites, and build the cluster's programs."""
    install_packages(SERVERS, log=LOG)
    ensure_kafka(build_layout())
    subprocess.run([LOCAL, "binaries"], check=True, stdout=subprocess.DEVNULL)


def _run_quietly(program: str, *arguments: str, output: IO[str] = sys.stdout) -> int:
    """Run a program of .venv and return its exit code; write its output only if it fails."""
    done = subprocess.run(
        [str(BIN / program), *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        output.write(done.stdout + done.stderr)
    return done.returncode


def _test_with_cluster(chosen: str) -> int:
    was_up = _is_up()
    begun = datetime.now(UTC).isoformat()
    try:
        return (
            _test_in_two_lanes(chosen)
            or _pytest("tests/cluster", "-m", f"{chosen} and not {ALONE}", *ONE_BY_ONE, workers=5)
            or _check_grants(chosen, begun)
        )
    finally:
        if was_up or "KUBE_CONTEXT" in os.environ:
            _prepared("down", quiet=True)
        else:
            subprocess.run([LOCAL, "down"], check=True, capture_output=True)


def _test_in_two_lanes(chosen: str) -> int:
    """Run tests that need no cluster while a cluster is made and disturbed; return an exit code.

    The cluster's lane mostly waits. The other lane's output is written when it has ended, because a
    reader can follow one of them only.
    """
    with tempfile.TemporaryFile("w+") as output, ThreadPoolExecutor() as pool:
        without_cluster = pool.submit(_test_without_cluster, chosen, output)
        _prepared("up")
        os.environ[IS_PREPARED] = "yes"
        disturbed = _pytest("tests/cluster", "-m", f"{chosen} and {ALONE}", workers=0)
        with step("types, and the tests that need no cluster"):
            code = without_cluster.result()
        output.seek(0)
        sys.stdout.write(output.read())
    return code or disturbed


def _test_without_cluster(chosen: str, output: IO[str]) -> int:
    suites, marks = (*SERVED, *QUICK), f"{chosen} and not {CROWD}"
    return _run_quietly(*TYPES, output=output) or _pytest(
        *suites, "-m", marks, "--no-loadscope-reorder", workers=4, output=output
    )


def _check_grants(chosen: str, begun: str) -> int:
    """Compare the operator's rights with its requests; a part of the tests doesn't need them all.

    Quietly, so that the test runner's line is the last one.
    """
    if chosen == NIGHTLY:
        return 0
    return _run_quietly("python", "-m", "tests.cluster.grants", "--since", begun)


def _is_up() -> bool:
    return subprocess.run([LOCAL, "status"], capture_output=True, check=False).returncode == 0


def _prepared(verb: str, *, quiet: bool = False) -> None:
    subprocess.run(
        [BIN / "python", "-m", "dev.workspaces.prepared", verb],
        cwd=ROOT,
        check=True,
        capture_output=quiet,
    )


def _pytest(*arguments: str, workers: int, output: IO[str] | None = None) -> int:
    command = [str(BIN / "pytest"), "-q", "-n", str(workers), "--dist", "loadfile", *arguments]
    return subprocess.run(command, cwd=ROOT, check=False, stdout=output).returncode


if __name__ == "__main__":
    sys.exit(main())
