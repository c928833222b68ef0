"""`down`: end every process, unmount, and take the machine's network back to what it was.

Kept, for the next `up` to be quick: the image store and the built programs. `--purge` removes the
images as well.
"""

import os
import shutil
import signal
import time
from pathlib import Path

from dev.local.cgroups import remove_groups
from dev.local.cluster import start_containerd
from dev.local.commands import run, succeeds
from dev.local.components import COMPONENTS
from dev.local.console import step
from dev.local.containerd import ctr
from dev.local.errors import ComponentFailed
from dev.local.firewall import remove_rules
from dev.local.layout import Layout
from dev.local.network import remove_network
from dev.local.processes import ProcessTable

KEPT = frozenset({"containerd", "images", "logs"})
CNI_RESULTS = Path("/var/lib/cni/results")
CONTAINER_LOG_LINKS = Path("/var/log/containers")
# Kubernetes makes these whatever its flags say; another kubelet's would not be empty.
DEVICE_PLUGINS = Path("/var/lib/kubelet/device-plugins")
FLEX_VOLUMES = Path("/usr/libexec/kubernetes/kubelet-plugins/volume/exec")
SHIM_PROGRAM = "containerd-shim-runc-v2"
SHIM_SECONDS = 10.0


def take_down(layout: Layout, *, purge: bool) -> None:
    """Idempotent; the caller holds the lock. Raises LocalClusterError."""
    processes = ProcessTable(layout.pids, layout.logs)
    with step("end the node and its pods"):
        # Whoever would start pods again goes first.
        for name in ("kube-controller-manager", "kube-scheduler", "kubelet"):
            processes.stop(name)
        _remove_containers(layout, processes)
        remove_groups()
        _end_shims(layout)
    with step("end the control plane"):
        for name in reversed(COMPONENTS):
            processes.stop(name)
    with step("remove mounts, network and files"):
        for directory in (layout.kubelet_root, layout.containerd_root, layout.run, layout.images):
            unmount_below(directory)
        remove_network(layout.state / "sysctls.json")
        if shutil.which("iptables-save"):
            remove_rules()
        _remove_files(layout, purge=purge)


def _remove_containers(layout: Layout, processes: ProcessTable) -> None:
    """containerd remembers containers for ever: they have to be removed through it."""
    if not (layout.config / "containerd.toml").exists() or shutil.which("ctr") is None:
        return
    if processes.find("containerd") is None:
        layout.run.mkdir(parents=True, exist_ok=True, mode=0o711)
        start_containerd(layout, processes)
    for task in run(ctr(layout, "tasks", "ls", "-q")).split():
        succeeds(ctr(layout, "tasks", "rm", "--force", task))
    containers = run(ctr(layout, "containers", "ls", "-q")).split()
    if containers:
        run(ctr(layout, "containers", "rm", *containers))


def _end_shims(layout: Layout) -> None:
    """A shim ends with its task; one whose containerd was killed in between does not."""
    deadline = time.monotonic() + SHIM_SECONDS
    while shims := find_shims(layout.containerd_socket):
        if time.monotonic() > deadline:
            raise ComponentFailed(f"containerd's shims {shims} do not end, even after SIGKILL")
        for pid in shims:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(0.1)


def find_shims(socket: Path, *, proc: Path = Path("/proc")) -> list[int]:
    """Of our containerd only: its socket's path is one of their words."""
    shims = []
    for entry in proc.iterdir():
        if not entry.name.isdigit():
            continue
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if Path(os.fsdecode(words[0])).name == SHIM_PROGRAM and os.fsencode(socket) in words:
            shims.append(int(entry.name))
    return sorted(shims)


def unmount_below(directory: Path) -> None:
    """Deepest first; a mount that is busy is detached and goes when its last user does."""
    for line in reversed(Path("/proc/self/mountinfo").read_text().splitlines()):
        mounted = Path(line.split()[4].encode().decode("unicode_escape"))
        if mounted.is_relative_to(directory) and not succeeds(["umount", mounted]):
            run(["umount", "--lazy", mounted])


def _remove_files(layout: Layout, *, purge: bool) -> None:
    for result in CNI_RESULTS.glob("*"):
        # Each names the network namespace it was made for, and ours are all below `run`.
        if str(layout.run) in result.read_text(errors="replace"):
            result.unlink()
    _remove_empty(CNI_RESULTS, CNI_RESULTS.parent)
    for link in CONTAINER_LOG_LINKS.glob("*.log"):
        if link.is_symlink() and Path(os.readlink(link)).is_relative_to(layout.logs):
            link.unlink()
    _remove_empty(CONTAINER_LOG_LINKS)
    for name in ("DEPRECATION", "kubelet.sock", "kubelet_internal_checkpoint"):
        (DEVICE_PLUGINS / name).unlink(missing_ok=True)
    _remove_empty(DEVICE_PLUGINS, DEVICE_PLUGINS.parent, FLEX_VOLUMES, *FLEX_VOLUMES.parents[:3])
    shutil.rmtree(layout.logs / "pods", ignore_errors=True)
    shutil.rmtree(layout.run, ignore_errors=True)
    _remove_empty(Path("/run/containerd/s"), Path("/run/containerd"))
    if layout.state.is_dir():
        for entry in layout.state.iterdir():
            if not purge and entry.name in KEPT:
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()
        _remove_empty(layout.state)


def _remove_empty(*directories: Path) -> None:
    for directory in directories:
        if directory.is_dir() and not any(directory.iterdir()):
            directory.rmdir()
