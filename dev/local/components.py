"""The cluster's components: their order, their health URLs and their command lines.

Starts nothing.
"""

from dataclasses import replace
from pathlib import Path

from dev.local import containerd, control_plane, dns, node
from dev.local.control_plane import Endpoints
from dev.local.errors import ComponentFailed
from dev.local.layout import API_PORT, ETCD_CLIENT_PORT, ETCD_PEER_PORT, NODE_ADDRESS, Layout
from dev.local.processes import Component

ENDPOINTS = Endpoints(NODE_ADDRESS, API_PORT, ETCD_CLIENT_PORT, ETCD_PEER_PORT)

HEALTH_URLS = {
    "etcd": f"{ENDPOINTS.etcd}/health",
    "kube-controller-manager": f"https://127.0.0.1:{control_plane.CONTROLLER_MANAGER_PORT}/healthz",
    "kube-scheduler": f"https://127.0.0.1:{control_plane.SCHEDULER_PORT}/healthz",
    "kubelet": f"http://127.0.0.1:{node.KUBELET_HEALTH_PORT}/healthz",
    "kube-proxy": f"http://127.0.0.1:{node.PROXY_HEALTH_PORT}/healthz",
    "coredns": f"http://127.0.0.1:{dns.READY_PORT}/ready",
}
# In the order in which they start; `down` stops them in the other order.
COMPONENTS = (
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "containerd",
    "kubelet",
    "kube-proxy",
    "coredns",
)


# All are Go programs. Collecting garbage less often takes memory and spares the processor.
ENVIRONMENT = {"GOGC": "400"}


def build_component(layout: Layout, binaries: Path, name: str) -> Component:
    """Return one of COMPONENTS by its name; `up` writes its configuration files."""
    return replace(_build_component(layout, binaries, name), environment=ENVIRONMENT)


def _build_component(layout: Layout, binaries: Path, name: str) -> Component:
    config = layout.config
    match name:
        case "etcd":
            return control_plane.etcd(binaries, layout.state / "etcd", ENDPOINTS)
        case "kube-apiserver":
            return control_plane.api_server(binaries, layout, ENDPOINTS)
        case "kube-controller-manager":
            kubeconfig = config / "controller-manager.kubeconfig"
            return control_plane.controller_manager(binaries, layout.pki, kubeconfig)
        case "kube-scheduler":
            return control_plane.scheduler(binaries, config / "scheduler.kubeconfig")
        case "containerd":
            return containerd.containerd(layout)
        case "kubelet":
            return node.kubelet(binaries, layout)
        case "kube-proxy":
            return node.proxy(binaries, layout)
        case "coredns":
            return dns.coredns(binaries, layout)
        case _:
            raise ComponentFailed(f"the cluster has no component {name!r}")
