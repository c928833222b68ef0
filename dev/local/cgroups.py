"""Makes the control group that all pods are in, and removes it with the pods' processes."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from dev.local.errors import ComponentFailed
from dev.local.layout import CLUSTER_NAME

ROOT = Path("/sys/fs/cgroup")
GROUP = CLUSTER_NAME
KILLED_WITHIN_SECONDS = 10.0


def ensure_groups() -> None:
    """Make the group: below each controller (version 1), or once (version 2)."""
    for hierarchy in _hierarchies():
        group = hierarchy / GROUP
        group.mkdir(exist_ok=True)
        for inherited in ("cpuset.cpus", "cpuset.mems"):
            # An empty set, the default in version 1, can't hold a process.
            if hierarchy.name == "cpuset" and not (group / inherited).read_text().strip():
                (group / inherited).write_text((hierarchy / inherited).read_text())


def remove_groups() -> None:
    """Kill the processes in the groups and remove them; raises ComponentFailed."""
    deadline = time.monotonic() + KILLED_WITHIN_SECONDS
    while pids := _find_pids():
        if time.monotonic() > deadline:
            raise ComponentFailed(
                f"processes {sorted(pids)} of pods do not end, even after SIGKILL"
            )
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(0.1)
    for hierarchy in _hierarchies():
        for directory, _, _ in os.walk(hierarchy / GROUP, topdown=False):
            os.rmdir(directory)


def _find_pids() -> set[int]:
    pids: set[int] = set()
    for hierarchy in _hierarchies():
        for file in (hierarchy / GROUP).glob("**/cgroup.procs"):
            pids.update(int(pid) for pid in file.read_text().split())
    return pids


def _hierarchies() -> Iterator[Path]:
    if (ROOT / "cgroup.controllers").exists():
        yield ROOT
        return
    for path in sorted(ROOT.iterdir()):
        if path.is_dir() and not path.is_symlink() and path.is_mount():
            yield path
