"""etcd and an API server alone, on free ports of loopback, in a directory of the caller's: for
tests without nodes.
"""

import json
import shutil
import socket
from pathlib import Path

from dev.local import certificates, control_plane
from dev.local.api import ApiClient
from dev.local.cluster import start_api_server
from dev.local.control_plane import Endpoints
from dev.local.kubeconfig import render_kubeconfig, write_private
from dev.local.processes import ProcessTable

ADDRESS = "127.0.0.1"
MADE = ("etcd", "pki", "logs", "pids")


def bring_up(directory: Path, binaries: Path) -> Path:
    """The kubeconfig's path; idempotent. Raises LocalClusterError."""
    directory.mkdir(parents=True, exist_ok=True)
    at = _keep_endpoints(directory / "ports.json")
    pki = directory / "pki"
    server = certificates.api_server_identity((ADDRESS,))
    certificates.ensure_certificates(pki, (server, certificates.ADMIN))
    start_api_server(
        ProcessTable(directory / "pids", directory / "logs"),
        control_plane.etcd(binaries, directory / "etcd", at),
        control_plane.bare_api_server(binaries, pki, at),
        ApiClient(at.server, pki),
    )
    kubeconfig = directory / "kubeconfig"
    write_private(kubeconfig, render_kubeconfig(pki, certificates.ADMIN, at.server))
    return kubeconfig


def take_down(directory: Path) -> None:
    """Ends both and removes what `bring_up` made; the directory itself only if nothing else is in
    it.
    """
    processes = ProcessTable(directory / "pids", directory / "logs")
    for name in ("kube-apiserver", "etcd"):
        processes.stop(name, grace_seconds=3.0)
    for name in MADE:
        shutil.rmtree(directory / name, ignore_errors=True)
    for name in ("kubeconfig", "ports.json", "lock"):
        (directory / name).unlink(missing_ok=True)
    if directory.is_dir() and not any(directory.iterdir()):
        directory.rmdir()


def _keep_endpoints(file: Path) -> Endpoints:
    """The same ports after a restart: the kubeconfig in a test's hand stays valid."""
    if not file.exists():
        write_private(file, json.dumps(_find_free_ports(3)))
    api, client, peer = json.loads(file.read_text())
    return Endpoints(ADDRESS, api, client, peer)


def _find_free_ports(count: int) -> list[int]:
    # All are held until the last is known, or the kernel could name one twice.
    sockets = [socket.create_server((ADDRESS, 0)) for _ in range(count)]
    ports = [int(each.getsockname()[1]) for each in sockets]
    for each in sockets:
        each.close()
    return ports
