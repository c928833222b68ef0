"""The control group that every pod is in, so that `down` finds each of their processes and
removes the groups.
"""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from dev.local.errors import ComponentFailed
from dev.local.layout import CLUSTER_NAME

ROOT = Path("/sys/fs/cgroup")
GROUP = CLUSTER_NAME
KILL_SECONDS = 10.0


def ensure_groups() -> None:
    """One below each controller (version 1), or the only one (version 2)."""
    for hierarchy in _hierarchies():
        group = hierarchy / GROUP
        group.mkdir(exist_ok=True)
        for inherited in ("cpuset.cpus", "cpuset.mems"):
            # An empty set, version 1's default, holds no process.
            if hierarchy.name == "cpuset" and not (group / inherited).read_text().strip():
                (group / inherited).write_text((hierarchy / inherited).read_text())


def remove_groups() -> None:
    """Kill what is left in them first. Raises ComponentFailed if a process stays."""
    deadline = time.monotonic() + KILL_SECONDS
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
