"""`down`: ends every process, unmounts, and restores the machine's network.

The image store and the built programs stay, so that the next `up` is quick. `--purge` removes the
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
# The kubelet makes these folders with any flags. Those of another kubelet would not be empty.
DEVICE_PLUGINS = Path("/var/lib/kubelet/device-plugins")
FLEX_VOLUMES = Path("/usr/libexec/kubernetes/kubelet-plugins/volume/exec")
SHIM_PROGRAM = "containerd-shim-runc-v2"
SHIMS_END_WITHIN_SECONDS = 10.0


def take_down(layout: Layout, *, purge: bool) -> None:
    """End the cluster, or what is left of it; the caller holds the lock.

    Raises LocalClusterError.
    """
    processes = ProcessTable(layout.pids, layout.logs)
    with step("end the node and its pods"):
        # First the components that would start pods again.
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
    """Remove all containers through containerd, because it remembers them on disk."""
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
    """Kill the shims that are left; raises ComponentFailed.

    A shim ends with its task, but not if its containerd was killed in between.
    """
    deadline = time.monotonic() + SHIMS_END_WITHIN_SECONDS
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
    """Return the pids of this containerd's shims, whose command lines hold its socket's path."""
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
    """Unmount everything below a directory, the deepest first.

    A busy mount is detached; the kernel removes it after its last use.
    """
    for line in reversed(Path("/proc/self/mountinfo").read_text().splitlines()):
        mounted = Path(line.split()[4].encode().decode("unicode_escape"))
        if mounted.is_relative_to(directory) and not succeeds(["umount", mounted]):
            run(["umount", "--lazy", mounted])


def _remove_files(layout: Layout, *, purge: bool) -> None:
    for result in CNI_RESULTS.glob("*"):
        # Each result names its network namespace, and the cluster's are all below `run`.
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
