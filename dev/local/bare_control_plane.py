"""Starts and stops etcd and an API server alone, for tests that need no node.

They listen on free ports of loopback, and keep their files in a directory that the caller names.
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
    """Start both unless they run, and return the kubeconfig's path; raises LocalClusterError."""
    directory.mkdir(parents=True, exist_ok=True)
    at = keep_endpoints(directory / "ports.json")
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
    """End both and remove what `bring_up` made, and the directory if nothing else is in it."""
    processes = ProcessTable(directory / "pids", directory / "logs")
    for name in ("kube-apiserver", "etcd"):
        processes.stop(name, grace_seconds=3.0)
    for name in MADE:
        shutil.rmtree(directory / name, ignore_errors=True)
    for name in ("kubeconfig", "ports.json", "lock"):
        (directory / name).unlink(missing_ok=True)
    if directory.is_dir() and not any(directory.iterdir()):
        directory.rmdir()


def keep_endpoints(file: Path) -> Endpoints:
    """Return free ports, and the same ones after a restart, so that the kubeconfig stays valid."""
    if not file.exists():
        write_private(file, json.dumps(_find_free_ports(3)))
    api, client, peer = json.loads(file.read_text())
    return Endpoints(ADDRESS, api, client, peer)


def _find_free_ports(count: int) -> list[int]:
    # All sockets stay open until the last port is known, because the kernel could give one twice.
    servers = [socket.create_server((ADDRESS, 0)) for _ in range(count)]
    ports = [int(server.getsockname()[1]) for server in servers]
    for server in servers:
        server.close()
    return ports
