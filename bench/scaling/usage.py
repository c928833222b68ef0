"""Reads from the kernel what a process uses, and limits its memory as a container's is limited."""

import os
import resource
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_GROUPS = Path("/sys/fs/cgroup")
_ESTABLISHED = "01"
_REMOVED_SECONDS = 5.0
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process has used until now."""

    cpu_seconds: float
    """Of user and system, all threads."""
    resident_megabytes: float
    peak_megabytes: float
    """The most resident memory that it has had."""
    threads: int


@dataclass(frozen=True, slots=True)
class MemoryGroup:
    """A control group of one process."""

    directory: Path
    is_unified: bool

    @property
    def members(self) -> Path:
        """The file that a process writes its id to, to become a member."""
        return self.directory / "cgroup.procs"

    def read_peak_megabytes(self) -> float | None:
        """Return the most memory that was charged to the group, page cache included."""
        name = "memory.peak" if self.is_unified else "memory.max_usage_in_bytes"
        with suppress(FileNotFoundError):
            return int((self.directory / name).read_text()) / 2**20
        return None

    def count_kills(self) -> int:
        """Return how many processes the kernel killed because the limit was reached."""
        name = "memory.events" if self.is_unified else "memory.oom_control"
        lines = (line.split() for line in (self.directory / name).read_text().splitlines())
        return next((int(words[1]) for words in lines if words[0] == "oom_kill"), 0)


def read_usage(pid: int) -> Usage:
    """Return what a process uses; raises FileNotFoundError when there is no such process."""
    stat = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    lines = (_PROC / str(pid) / "status").read_text().splitlines()
    status = {name: value.split() for name, _, value in (line.partition(":") for line in lines)}
    if "VmRSS" not in status:
        raise FileNotFoundError(f"process {pid} has ended")
    return Usage(
        cpu_seconds=(int(stat[11]) + int(stat[12])) / _TICKS_PER_SECOND,
        resident_megabytes=int(status["VmRSS"][0]) / 1024,
        peak_megabytes=int(status["VmHWM"][0]) / 1024,
        threads=int(status["Threads"][0]),
    )


def count_connections(pid: int, ports: Iterable[int]) -> int:
    """Return how many TCP connections a process has to these ports of this machine."""
    sockets = set()
    for descriptor in (_PROC / str(pid) / "fd").iterdir():
        with suppress(FileNotFoundError):
            sockets.add(descriptor.readlink().name)
    wanted = {f"{port:04X}" for port in ports}
    count = 0
    for table in ("tcp", "tcp6"):
        for line in (_PROC / str(pid) / "net" / table).read_text().splitlines()[1:]:
            words = line.split()
            is_wanted = words[2].rpartition(":")[2] in wanted and words[3] == _ESTABLISHED
            count += is_wanted and f"socket:[{words[9]}]" in sockets
    return count


@contextmanager
def memory_group(limit_megabytes: int) -> Iterator[MemoryGroup | None]:
    """Yield a control group with this limit and without swap, or None where none can be made."""
    is_unified = (_GROUPS / "cgroup.controllers").exists()
    above = _GROUPS if is_unified else _GROUPS / "memory"
    group = MemoryGroup(above / f"wqj-scale-{os.getpid()}", is_unified)
    try:
        group.directory.mkdir()
        name = "memory.max" if is_unified else "memory.limit_in_bytes"
        (group.directory / name).write_text(str(limit_megabytes * 2**20))
    except OSError:
        with suppress(OSError):
            group.directory.rmdir()
        yield None
        return
    try:
        yield group
    finally:
        _remove(group.directory)


def _remove(group: Path) -> None:
    """Remove a group, which the kernel refuses for a moment after its last process has ended."""
    deadline = time.monotonic() + _REMOVED_SECONDS
    while True:
        try:
            group.rmdir()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


def raise_descriptor_limit() -> None:
    """Let this process, and those that it starts, have as many connections as a container may."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
