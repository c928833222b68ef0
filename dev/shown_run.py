"""What the demos share: they watch a run, print it as it goes on, and print what went wrong.

Only the standard library is imported, because this runs before anything is installed.
"""

import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from dev.environment import ROOT, Cluster, EnvironmentProblem

NAMESPACE = "default"


def run_demo(demo: Callable[[], bool]) -> int:
    """Run a demo and return its exit code: 0 if it returns that its run is complete.

    Otherwise the reason is on standard error.
    """
    try:
        complete = demo()
    except EnvironmentProblem as problem:
        sys.stderr.write(f"{problem}\n")
        return 2
    except subprocess.CalledProcessError as error:
        sys.stderr.write(f"{' '.join(map(str, error.cmd))}\n{error.stderr or ''}\n")
        return 1
    return 0 if complete else 1


def watch_run(cluster: Cluster, manifest: Path, name: str, *, limit_seconds: float) -> bool:
    """Apply a WorkQueueJob, print its line when it changes, and return whether it completed."""
    print(f"\n$ kubectl apply -f {manifest.relative_to(ROOT)}\n$ kubectl get wqj {name} --watch")
    cluster.apply(manifest.read_text(), namespace=NAMESPACE)
    started, shown = time.monotonic(), [""]
    while time.monotonic() - started < limit_seconds:
        table = cluster.kubectl("get", "wqj", name, "-n", NAMESPACE).stdout
        header, line = table.splitlines()[:2]
        cells = _cut(line, header)
        # The last column is the age, which always changes. At first the columns before are empty.
        if any(cells[1:-1]) and cells[1:-1] != shown[1:-1]:
            if not any(shown):
                print(_align(header.split()))
            print(_align(cells), flush=True)
            shown = cells
        if "Complete" in line or "Failed" in line:
            return "Complete" in line
        time.sleep(0.3)
    return False


def show(cluster: Cluster, *command: str) -> None:
    """Print a command of kubectl and its output."""
    print(f"\n$ kubectl {' '.join(command)}")
    print(cluster.kubectl("-n", NAMESPACE, *command).stdout, end="", flush=True)


def _cut(line: str, header: str) -> list[str]:
    """Return a line's cells, of which some may be empty, cut below the starts of the titles."""
    starts = [title.start() for title in re.finditer(r"\S+", header)]
    ends = [*starts[1:], None]
    return [line[start:end].strip() for start, end in zip(starts, ends, strict=True)]


def _align(cells: list[str]) -> str:
    """Return a line with its cells in columns of fixed width.

    Each line comes from another run of kubectl, which chooses other widths.
    """
    return "".join(
        f"{cell:<19}" if i == 1 else f"{cell:<11}" for i, cell in enumerate(cells)
    ).rstrip()
