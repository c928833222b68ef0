"""Starts a control plane whose nodes are played, for benches that need many pods.

etcd, the API server and, if they are asked for, the controllers of Jobs are real. kwok plays the
nodes: a pod runs as soon as it exists, and nothing runs in it. No scheduler places pods, so their
templates name a node. All listen on free ports of loopback, keep their files in a directory that
the caller names, and end with the caller, even if that is killed.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from dev.local import audit, certificates, control_plane
from dev.local.api import ApiClient
from dev.local.bare_control_plane import ADDRESS, keep_endpoints
from dev.local.certificates import Identity
from dev.local.cluster import start_api_server
from dev.local.components import ENVIRONMENT
from dev.local.kubeconfig import render_kubeconfig, write_private
from dev.local.processes import Component, ProcessTable

NODES = 10
CONTROLLERS = "job-controller,garbage-collector-controller,namespace-controller"
STAGES = Path(__file__).with_name("fake_nodes.yaml")

_STARTED = ("kwok", "kube-controller-manager", "kube-apiserver", "etcd")
_AUDIT_FILE_MEGABYTES = 4096
"""One file, because its reader follows no rotation."""
_ENDS_WITH_ITS_PARENT = ("setpriv", "--pdeathsig", "KILL", "--")


@dataclass(frozen=True, slots=True)
class FakeCluster:
    """A control plane: where its files are, and the programs that it runs."""

    directory: Path
    binaries: Path

    @property
    def audit_log(self) -> Path:
        """The requests of service accounts outside of kube-system, one JSON document a line."""
        return self.directory / "audit.log"

    @property
    def processes(self) -> ProcessTable:
        """What runs of it."""
        return ProcessTable(self.directory / "pids", self.directory / "logs")

    def kubeconfig(self, identity: Identity) -> Path:
        """Return the kubeconfig of the administrator, or of another client of `bring_up`."""
        return self.directory / f"{identity.file}.kubeconfig"


def node_name(number: int) -> str:
    """Return the name of one of the NODES, for any number."""
    return f"fake-{number % NODES}"


def bring_up(
    cluster: FakeCluster, *, kwok: Path | None, clients: tuple[Identity, ...] = ()
) -> None:
    """Start the control plane; raises LocalClusterError.

    kwok: the program; without it there are no nodes and no controllers, so that Jobs stay as they
    are. clients: who gets a kubeconfig besides the administrator.
    """
    directory, binaries = cluster.directory, cluster.binaries
    directory.mkdir(parents=True, exist_ok=True)
    at = keep_endpoints(directory / "ports.json")
    pki = directory / "pki"
    users = (certificates.ADMIN, certificates.CONTROLLER_MANAGER, *clients)
    server = certificates.api_server_identity((ADDRESS,))
    certificates.ensure_certificates(pki, (server, *users))
    for user in users:
        write_private(cluster.kubeconfig(user), render_kubeconfig(pki, user, at.server))
    policy = directory / "audit-policy.json"
    write_private(policy, audit.render_policy())
    flags = audit.build_flags(policy, cluster.audit_log, max_file_megabytes=_AUDIT_FILE_MEGABYTES)
    api = ApiClient(at.server, pki)
    start_api_server(
        cluster.processes,
        _bound(control_plane.etcd(binaries, directory / "etcd", at)),
        _bound(control_plane.bare_api_server(binaries, pki, at, more_flags=flags)),
        api,
    )
    if kwok is not None:
        _start_nodes(cluster, kwok, api)


def take_down(cluster: FakeCluster) -> None:
    """End all that was started; the directory is the caller's."""
    for name in _STARTED:
        cluster.processes.stop(name, grace_seconds=3.0)


def _start_nodes(cluster: FakeCluster, kwok: Path, api: ApiClient) -> None:
    for number in range(NODES):
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": node_name(number)}}
        api.apply(f"/api/v1/nodes/{node_name(number)}", node)
    manager = control_plane.controller_manager(
        cluster.binaries,
        cluster.directory / "pki",
        cluster.kubeconfig(certificates.CONTROLLER_MANAGER),
        port=0,
        controllers=CONTROLLERS,
    )
    cluster.processes.ensure(_bound(manager))
    nodes = control_plane.fake_nodes(kwok, cluster.kubeconfig(certificates.ADMIN), STAGES)
    cluster.processes.ensure(_bound(nodes))


def _bound(component: Component) -> Component:
    """Return a component that the kernel kills when this process ends."""
    command = (*_ENDS_WITH_ITS_PARENT, *component.command)
    return replace(component, command=command, environment=ENVIRONMENT)
