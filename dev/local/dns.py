"""CoreDNS: its configuration, its command line, and the Service by which pods reach it.

It runs as a process of the host, on the node's address. This module does not start it.
"""

from pathlib import Path
from typing import Any

from dev.local.api import ApiClient
from dev.local.certificates import COREDNS
from dev.local.layout import CLUSTER_DOMAIN, CLUSTER_NAME, DNS_SERVICE_ADDRESS, NODE_ADDRESS, Layout
from dev.local.processes import Component

READY_PORT = 18181


def render_corefile(kubeconfig: Path) -> str:
    """Return CoreDNS' configuration, which knows the cluster's names only.

    For any other name it answers at once that it does not exist, so no query leaves the machine.
    """
    zones = f"{CLUSTER_DOMAIN} in-addr.arpa ip6.arpa"
    return f"""{zones} {{
    bind {NODE_ADDRESS}
    errors
    ready 127.0.0.1:{READY_PORT}
    kubernetes {zones} {{
        kubeconfig {kubeconfig}
        pods insecure
        ttl 5
    }}
}}
. {{
    bind {NODE_ADDRESS}
    template ANY ANY {{
        rcode NXDOMAIN
    }}
}}
"""


def coredns(binaries: Path, layout: Layout) -> Component:
    """Return the component."""
    corefile, kubeconfig = layout.config / "Corefile", layout.config / "coredns.kubeconfig"
    return Component(
        "coredns",
        (f"{binaries}/coredns", "-conf", str(corefile)),
        config_files=(corefile, kubeconfig),
    )


def apply_dns(api: ApiClient) -> None:
    """Create the objects of the cluster's DNS; raises ApiRefused."""
    rbac = "/apis/rbac.authorization.k8s.io/v1"
    system = "namespaces/kube-system"
    slice_name = f"kube-dns-{CLUSTER_NAME}"
    api.apply(f"{rbac}/clusterroles/{COREDNS.user}", _cluster_role())
    api.apply(f"{rbac}/clusterrolebindings/{COREDNS.user}", _cluster_role_binding())
    api.apply(f"/api/v1/{system}/services/kube-dns", _service())
    api.apply(
        f"/apis/discovery.k8s.io/v1/{system}/endpointslices/{slice_name}",
        _endpoint_slice(slice_name),
    )


def _cluster_role() -> dict[str, Any]:
    verbs = ["list", "watch"]
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": COREDNS.user},
        "rules": [
            {
                "apiGroups": [""],
                "resources": ["endpoints", "namespaces", "pods", "services"],
                "verbs": verbs,
            },
            {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": verbs},
        ],
    }


def _cluster_role_binding() -> dict[str, Any]:
    group = "rbac.authorization.k8s.io"
    return {
        "apiVersion": f"{group}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": COREDNS.user},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": COREDNS.user},
        "subjects": [{"apiGroup": group, "kind": "User", "name": COREDNS.user}],
    }


def _service() -> dict[str, Any]:
    ports = [
        {"name": "dns", "port": 53, "protocol": "UDP"},
        {"name": "dns-tcp", "port": 53, "protocol": "TCP"},
    ]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": "kube-dns",
            "namespace": "kube-system",
            "labels": {"k8s-app": "kube-dns"},
        },
        "spec": {"clusterIP": DNS_SERVICE_ADDRESS, "ports": ports},
    }


def _endpoint_slice(name: str) -> dict[str, Any]:
    labels = {
        "kubernetes.io/service-name": "kube-dns",
        "endpointslice.kubernetes.io/managed-by": CLUSTER_NAME,
    }
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": name, "namespace": "kube-system", "labels": labels},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [NODE_ADDRESS], "conditions": {"ready": True}}],
        "ports": [
            {"name": "dns", "port": 53, "protocol": "UDP"},
            {"name": "dns-tcp", "port": 53, "protocol": "TCP"},
        ],
    }
