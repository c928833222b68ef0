"""`up`: starts or repairs every part of the cluster. A part that runs unchanged stays."""

import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from dev.local import audit, certificates, containerd, dns, node
from dev.local.api import ApiClient, answers, wait_until
from dev.local.binaries import ensure_binaries
from dev.local.cgroups import ensure_groups
from dev.local.commands import last_lines, succeeds
from dev.local.components import ENDPOINTS, HEALTH_URLS, build_component
from dev.local.console import say, step
from dev.local.errors import ApiRefused, ComponentFailed, WrongMachine
from dev.local.firewall import ensure_forwarding
from dev.local.kubeconfig import render_kubeconfig, write_private
from dev.local.layout import FIRST_SERVICE_ADDRESS, NODE_ADDRESS, NODE_NAME, Layout
from dev.local.network import ensure_network
from dev.local.packages import NODE_PACKAGES, install_packages
from dev.local.pause import ensure_pause_image
from dev.local.processes import Component, ProcessTable

HEALTHY_WITHIN_SECONDS = 60.0
MAX_STARTS = 5
NODE_READY_WITHIN_SECONDS = 120.0
# A node renews its lease every 10 s; an older one is left over from before a restart.
LEASE_MAX_AGE_SECONDS = 25.0


def check_machine(layout: Layout) -> None:
    """Raise WrongMachine unless this user on this machine can run this cluster."""
    if sys.platform != "linux" or os.geteuid() != 0:
        raise WrongMachine("the local cluster needs root on a Linux machine (Debian 12)")
    owner = layout.run / "owner"
    if owner.exists() and owner.read_text() != str(layout.state):
        raise WrongMachine(
            f"another cluster of this machine keeps its state in {owner.read_text()}; "
            "set WQJ_LOCAL_DIR to that, or end it there with `down`"
        )


def bring_up(layout: Layout) -> None:
    """Start or repair the cluster; the caller holds the lock. Raises LocalClusterError."""
    install_packages(NODE_PACKAGES, log=layout.logs / "packages.log")
    binaries = ensure_binaries(layout)
    prepare_machine(layout)
    _write_identities(layout)
    _write_configuration(layout)
    processes = ProcessTable(layout.pids, layout.logs)
    api = ApiClient(ENDPOINTS.server, layout.pki)
    started = _start_control_plane(layout, binaries, processes, api)
    started += _start_node(layout, binaries, processes, api)
    with step("kubelet, kube-proxy, controllers and cluster DNS"):
        for component in started:
            _start(processes, component, _answers_at_its_address(component))
    with step(f"wait for node {NODE_NAME}"):
        wait_until(
            lambda: node_is_ready(api),
            seconds=NODE_READY_WITHIN_SECONDS,
            failure=lambda: _describe_failure(processes, "kubelet"),
        )


def prepare_machine(layout: Layout) -> None:
    """Make what the cluster needs outside of its state directory: bridge, rules, control groups."""
    layout.run.mkdir(parents=True, exist_ok=True, mode=0o711)
    write_private(layout.run / "owner", str(layout.state))
    made = ensure_network(layout.state / "sysctls.json")
    made = ensure_forwarding() or made
    ensure_groups()
    if made:
        say("         network: bridge, routes and forwarding rules made")


def start_containerd(layout: Layout, processes: ProcessTable) -> None:
    """Start containerd and import the pause image; `down` and image builds need it as well."""
    component = containerd.containerd(layout)
    version = containerd.ctr(layout, "version")
    _start(processes, component, lambda: succeeds(version))
    ensure_pause_image(layout)


def prepare_images(layout: Layout) -> None:
    """Make ready what image builds need: the packages, and containerd, started if it is not up."""
    install_packages(NODE_PACKAGES, log=layout.logs / "packages.log")
    layout.run.mkdir(parents=True, exist_ok=True, mode=0o711)
    write_private(layout.run / "owner", str(layout.state))
    _write_configuration(layout)
    start_containerd(layout, ProcessTable(layout.pids, layout.logs))


def node_is_ready(api: ApiClient) -> bool:
    """Return whether the node is ready, and its kubelet has said so recently."""
    try:
        described = api.get(f"/api/v1/nodes/{NODE_NAME}")
        lease = api.get(
            f"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{NODE_NAME}"
        )
    except ApiRefused:
        return False
    renewed = datetime.fromisoformat(lease["spec"]["renewTime"])
    conditions = {entry["type"]: entry["status"] for entry in described["status"]["conditions"]}
    tainted = any(
        taint["key"] == "node.kubernetes.io/not-ready"
        for taint in described["spec"].get("taints", ())
    )
    fresh = (datetime.now(UTC) - renewed).total_seconds() < LEASE_MAX_AGE_SECONDS
    return conditions.get("Ready") == "True" and fresh and not tainted


def _write_identities(layout: Layout) -> None:
    node_client = certificates.node_identity(NODE_NAME, NODE_ADDRESS)
    clients = {
        layout.kubeconfig: certificates.ADMIN,
        layout.config / "controller-manager.kubeconfig": certificates.CONTROLLER_MANAGER,
        layout.config / "scheduler.kubeconfig": certificates.SCHEDULER,
        layout.config / "proxy.kubeconfig": certificates.PROXY,
        layout.config / "coredns.kubeconfig": certificates.COREDNS,
        layout.config / "node.kubeconfig": node_client,
    }
    server = certificates.api_server_identity(("127.0.0.1", NODE_ADDRESS, FIRST_SERVICE_ADDRESS))
    certificates.ensure_certificates(
        layout.pki, (server, certificates.KUBELET_CLIENT, *clients.values())
    )
    for path, identity in clients.items():
        write_private(path, render_kubeconfig(layout.pki, identity, ENDPOINTS.server))


def _write_configuration(layout: Layout) -> None:
    files = {
        "containerd.toml": containerd.render_config(layout),
        "cni/10-local.conflist": containerd.render_cni(layout),
        "kubelet.json": node.render_kubelet_config(layout),
        "proxy.json": node.render_proxy_config(layout),
        "Corefile": dns.render_corefile(layout.config / "coredns.kubeconfig"),
        audit.policy_file(layout).name: audit.render_policy(),
        "resolv.conf": "# Pods ask the cluster's DNS only.\n",
    }
    for name, text in files.items():
        write_private(layout.config / name, text)


def start_api_server(
    processes: ProcessTable, etcd: Component, server: Component, api: ApiClient
) -> None:
    """Start etcd and an API server, a bare control plane's too. Raises ComponentFailed."""
    with step("etcd and kube-apiserver"):
        # The API server waits for etcd itself, and starting both at once saves a second.
        processes.ensure(etcd)
        _start(processes, server, api.is_ready)


def _start_control_plane(
    layout: Layout, binaries: Path, processes: ProcessTable, api: ApiClient
) -> list[Component]:
    """Start the control plane; return the components that may not be healthy yet."""
    etcd, server = (build_component(layout, binaries, name) for name in ("etcd", "kube-apiserver"))
    start_api_server(processes, etcd, server, api)
    controllers = [
        build_component(layout, binaries, name)
        for name in ("kube-controller-manager", "kube-scheduler")
    ]
    for component in controllers:
        processes.ensure(component)
    return controllers


def _start_node(
    layout: Layout, binaries: Path, processes: ProcessTable, api: ApiClient
) -> list[Component]:
    with step("containerd"):
        start_containerd(layout, processes)
    dns.apply_dns(api)
    components = [
        build_component(layout, binaries, name) for name in ("kubelet", "kube-proxy", "coredns")
    ]
    for component in components:
        processes.ensure(component)
    return components


def _answers_at_its_address(component: Component) -> Callable[[], bool]:
    return lambda: answers(HEALTH_URLS[component.name])


def _start(processes: ProcessTable, component: Component, healthy: Callable[[], bool]) -> None:
    """Start a component and wait until it is healthy; if it ends meanwhile, start it again.

    A component may end because another one that it needs is not there yet.
    """
    starts = 0

    def is_healthy() -> bool:
        nonlocal starts
        if processes.ensure(component):
            starts += 1
            if starts > MAX_STARTS:
                raise ComponentFailed(_describe_failure(processes, component.name))
        return healthy()

    wait_until(
        is_healthy,
        seconds=HEALTHY_WITHIN_SECONDS,
        failure=lambda: _describe_failure(processes, component.name),
    )


def _describe_failure(processes: ProcessTable, name: str) -> str:
    log = processes.log(name)
    end = last_lines(log.read_text(errors="replace")) if log.exists() else "    (nothing)"
    return f"{name} does not become healthy; the end of {log}:\n{end}"
