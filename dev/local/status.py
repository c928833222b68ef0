"""`status` and `logs`: prints what runs, since when, and whether it answers. Changes nothing."""

import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from dev.local.api import ApiClient, answers
from dev.local.cluster import node_is_ready
from dev.local.commands import succeeds
from dev.local.components import COMPONENTS, ENDPOINTS, HEALTH_URLS
from dev.local.containerd import ctr
from dev.local.errors import ComponentFailed
from dev.local.layout import NODE_NAME, Layout
from dev.local.processes import PidRecord, ProcessTable


@dataclass(frozen=True, slots=True)
class Row:
    """One component's line."""

    name: str
    state: str
    pid: int | None
    age_seconds: int | None


def print_status(layout: Layout) -> bool:
    """Print a line for each component and for the node; return whether all are healthy."""
    processes = ProcessTable(layout.pids, layout.logs)
    rows = [_describe(layout, processes, name) for name in COMPONENTS]
    ready = rows[1].state == "healthy" and node_is_ready(ApiClient(ENDPOINTS.server, layout.pki))
    print(f"{'COMPONENT':<26}{'STATE':<12}{'PID':<9}AGE")
    for row in rows:
        age = "-" if row.age_seconds is None else _format_age(row.age_seconds)
        print(f"{row.name:<26}{row.state:<12}{row.pid or '-':<9}{age}")
    print(f"node {NODE_NAME}: {'Ready' if ready else 'not ready'}")
    print(f"kubeconfig {layout.kubeconfig}, logs {layout.logs}")
    return ready and all(row.state == "healthy" for row in rows)


def show_logs(layout: Layout, component: str | None) -> None:
    """Print the last lines of all logs, or the whole log of one component.

    Raises ComponentFailed if there is none.
    """
    files = (
        sorted(layout.logs.glob("*.log"))
        if component is None
        else [layout.logs / f"{component}.log"]
    )
    if not files or not files[0].exists():
        known = ", ".join(sorted(path.stem for path in layout.logs.glob("*.log"))) or "none yet"
        raise ComponentFailed(
            f"no log of {component or 'anything'} in {layout.logs}; there are: {known}"
        )
    lines = ["-n", "10"] if component is None else ["-n", "+1"]
    subprocess.run(["tail", *lines, *map(str, files)], check=False)


def _describe(layout: Layout, processes: ProcessTable, name: str) -> Row:
    record = processes.find(name)
    if record is None:
        return Row(name, "not running", None, None)
    return Row(
        name,
        "healthy" if _is_healthy(layout, name) else "unhealthy",
        record.pid,
        _age_seconds(record),
    )


def _is_healthy(layout: Layout, name: str) -> bool:
    match name:
        case "kube-apiserver":
            return ApiClient(ENDPOINTS.server, layout.pki).is_ready()
        case "containerd":
            return succeeds(ctr(layout, "version"))
        case _:
            return answers(HEALTH_URLS[name])


def _age_seconds(record: PidRecord) -> int:
    uptime_seconds = float(Path("/proc/uptime").read_text().split()[0])
    return int(uptime_seconds - record.start_ticks / os.sysconf("SC_CLK_TCK"))


def _format_age(seconds: int) -> str:
    if seconds < 3600:
        return f"{seconds // 60}m{seconds % 60:02}s"
    return (
        time.strftime("%-Hh%Mm", time.gmtime(seconds))
        if seconds < 86400
        else f"{seconds // 86400}d"
    )
