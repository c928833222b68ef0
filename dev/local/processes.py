"""Starts and stops the cluster's processes, and knows them by pid files.

A process writes its own pid file before it becomes the component. So every process has a pid file,
even if `up` is killed. The file holds the boot's id and the line of /proc/PID/stat. A pid is the
component's only in the same boot and with the same start time, so no other process is stopped.
"""

import hashlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dev.local.errors import ComponentFailed

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
PID_FILE_WITHIN_SECONDS = 10.0
LOG_MAX_BYTES = 32 * 1024 * 1024
ENVIRONMENT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# exec keeps the shell's pid ($$) and its start time.
LAUNCHER = (
    'ulimit -n 65536 2>/dev/null || ulimit -n "$(ulimit -H -n)"; '
    'read -r stat </proc/$$/stat; printf "%s\\n%s\\n%s\\n" "$1" "$2" "$stat" >"$3"; '
    'shift 3; exec "$@"'
)


@dataclass(frozen=True, slots=True)
class Component:
    """A program of the cluster.

    After a change of the command, the environment or the contents of a file in `config_files`,
    `ensure` restarts it.
    """

    name: str
    command: tuple[str, ...]
    config_files: tuple[Path, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)

    def fingerprint(self) -> str:
        """Return a hash of the command, the environment and the files' contents."""
        variables = (f"{name}={value}" for name, value in sorted(self.environment.items()))
        digest = hashlib.sha256("\0".join((*self.command, *variables)).encode())
        for path in self.config_files:
            digest.update(path.read_bytes())
        return digest.hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class PidRecord:
    """The contents of a pid file."""

    boot_id: str
    fingerprint: str
    pid: int
    start_ticks: int


def parse_stat(line: str) -> tuple[int, int]:
    """Return pid and start time, in clock ticks since boot, from a line of /proc/PID/stat.

    They are the fields 1 and 22 of proc(5). The second field, the program's name, may hold blanks
    and parentheses. Raises ValueError.
    """
    head, separator, tail = line.rpartition(")")
    fields = tail.split()
    if not separator or len(fields) < 20:
        raise ValueError(f"not a line of /proc/PID/stat: {line!r}")
    return int(head.split(" ", 1)[0]), int(fields[19])


def parse_pid_file(text: str) -> PidRecord | None:
    """Return the record in a pid file, or None if the file was cut off."""
    lines = text.splitlines()
    if len(lines) != 3:
        return None
    try:
        pid, start_ticks = parse_stat(lines[2])
    except ValueError:
        return None
    return PidRecord(boot_id=lines[0], fingerprint=lines[1], pid=pid, start_ticks=start_ticks)


def is_alive(record: PidRecord, *, proc: Path = Path("/proc"), boot_id: str | None = None) -> bool:
    """Return whether the process of the record runs: same boot, pid and start time, no zombie."""
    if record.boot_id != (boot_id if boot_id is not None else BOOT_ID.read_text().strip()):
        return False
    try:
        line = (proc / str(record.pid) / "stat").read_text()
        _, start_ticks = parse_stat(line)
    except (OSError, ValueError):
        return False
    return start_ticks == record.start_ticks and line.rpartition(")")[2].split()[0] not in (
        "Z",
        "X",
    )


@dataclass(frozen=True, slots=True)
class ProcessTable:
    """The processes of one cluster, or of one bare control plane."""

    pids: Path
    logs: Path

    def log(self, name: str) -> Path:
        """Return the file that a component's output goes to."""
        return self.logs / f"{name}.log"

    def find(self, name: str) -> PidRecord | None:
        """Return the record of a component that runs, or None."""
        try:
            record = parse_pid_file((self.pids / f"{name}.pid").read_text())
        except FileNotFoundError:
            return None
        return record if record is not None and is_alive(record) else None

    def names(self) -> list[str]:
        """Return the names of all components with a pid file, running or not."""
        return sorted(path.stem for path in self.pids.glob("*.pid"))

    def ensure(self, component: Component) -> bool:
        """Start a component unless it runs unchanged; return whether it was started."""
        record = self.find(component.name)
        if record is not None and record.fingerprint == component.fingerprint():
            return False
        self.stop(component.name)
        self._start(component)
        return True

    def revive(self, component: Component) -> bool:
        """Start a component again if it was started and has died; return whether it had.

        Does not wait until it is healthy, as an init system does not.
        """
        was_started = (self.pids / f"{component.name}.pid").exists()
        if not was_started or self.find(component.name) is not None:
            return False
        return self.ensure(component)

    def stop(self, name: str, *, grace_seconds: float = 10.0) -> None:
        """End a component with SIGTERM, after the grace with SIGKILL; remove its pid file.

        Raises ComponentFailed if it does not end.
        """
        record = self.find(name)
        if record is not None:
            _signal(record, signal.SIGTERM)
            if not _wait_gone(record, grace_seconds):
                _signal(record, signal.SIGKILL)
                if not _wait_gone(record, 10.0):
                    raise ComponentFailed(
                        f"{name} (pid {record.pid}) does not end, even after SIGKILL"
                    )
        (self.pids / f"{name}.pid").unlink(missing_ok=True)

    def _start(self, component: Component) -> None:
        self.pids.mkdir(parents=True, exist_ok=True)
        self.logs.mkdir(parents=True, exist_ok=True)
        log = self.log(component.name)
        if log.exists() and log.stat().st_size > LOG_MAX_BYTES:
            log.replace(log.with_suffix(".log.1"))
        pid_file = str(self.pids / f"{component.name}.pid")
        marks = (BOOT_ID.read_text().strip(), component.fingerprint(), pid_file)
        with log.open("ab") as sink:
            launched = subprocess.Popen(
                ["/bin/sh", "-c", LAUNCHER, "launcher", *marks, *component.command],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                cwd="/",
                env={
                    "PATH": ENVIRONMENT_PATH,
                    "HOME": "/root",
                    "LANG": "C.UTF-8",
                    **component.environment,
                },
                start_new_session=True,
            )
        # Before the pid file exists, another `ensure` would start the component twice.
        deadline = time.monotonic() + PID_FILE_WITHIN_SECONDS
        while self.find(component.name) is None and launched.poll() is None:
            if time.monotonic() > deadline:
                raise ComponentFailed(f"{component.name} was started and wrote no {pid_file}")
            time.sleep(0.005)


def _signal(record: PidRecord, number: signal.Signals) -> None:
    if is_alive(record):
        try:
            os.kill(record.pid, number)
        except ProcessLookupError:
            return


def _wait_gone(record: PidRecord, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while is_alive(record):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
