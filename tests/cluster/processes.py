"""The processes of pods, which on the local cluster are processes of this machine."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Process:
    """One process: its id here, its command line, and whether it is its container's first."""

    pid: int
    command: bytes
    is_first: bool


def processes_of(pod_uid: str) -> Iterator[Process]:
    """Yield the processes of a pod that run now."""
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            groups = (process / "cgroup").read_text()
            command = (process / "cmdline").read_bytes()
            status = (process / "status").read_text()
        except OSError:
            # It has ended meanwhile.
            continue
        if pod_uid in groups.replace("_", "-"):
            yield Process(int(process.name), command, is_first=_is_first(status))


def _is_first(status: str) -> bool:
    ids = next(line for line in status.splitlines() if line.startswith("NSpid:"))
    return ids.split()[-1] == "1"
