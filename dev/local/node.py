"""The kubelet's and kube-proxy's configuration and command lines. Starts nothing."""

import json
from pathlib import Path

from dev.local.cgroups import GROUP
from dev.local.layout import (
    CLUSTER_DOMAIN,
    DNS_SERVICE_ADDRESS,
    NODE_ADDRESS,
    NODE_NAME,
    POD_RANGE,
    Layout,
)
from dev.local.processes import Component

KUBELET_HEALTH_PORT = 10248
PROXY_HEALTH_PORT = 10256
# Not negative, because that needs CAP_SYS_RESOURCE.
OOM_SCORE = 0


def render_kubelet_config(layout: Layout) -> str:
    """Return the kubelet's configuration in JSON, which is valid YAML."""
    socket = f"unix://{layout.containerd_socket}"
    document = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": NODE_ADDRESS,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": f"{layout.pki}/ca.crt"},
        },
        "authorization": {"mode": "Webhook"},
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{GROUP}",
        "clusterDNS": [DNS_SERVICE_ADDRESS],
        "clusterDomain": CLUSTER_DOMAIN,
        "containerRuntimeEndpoint": socket,
        "imageServiceEndpoint": socket,
        "evictionHard": {
            "memory.available": "100Mi",
            "nodefs.available": "1%",
            "imagefs.available": "1%",
        },
        "failCgroupV1": False,
        "failSwapOn": False,
        "healthzBindAddress": "127.0.0.1",
        "healthzPort": KUBELET_HEALTH_PORT,
        # Images are built on this machine and can't be pulled again.
        "imageGCHighThresholdPercent": 100,
        "kubeAPIQPS": 50,
        "kubeAPIBurst": 100,
        "maxPods": 250,
        "nodeStatusUpdateFrequency": "10s",
        "oomScoreAdj": OOM_SCORE,
        "podLogsDir": f"{layout.logs}/pods",
        # Pods resolve only the cluster's names, without the machine's search domains.
        "resolvConf": f"{layout.config}/resolv.conf",
        "serializeImagePulls": False,
        "shutdownGracePeriod": "0s",
        "tlsCertFile": f"{layout.pki}/node.crt",
        "tlsPrivateKeyFile": f"{layout.pki}/node.key",
        "volumePluginDir": f"{layout.kubelet_root}/volume-plugins",
    }
    return json.dumps(document, indent=2) + "\n"


def kubelet(binaries: Path, layout: Layout) -> Component:
    """Return the component; what can be set in the configuration file is set there."""
    config, kubeconfig = layout.config / "kubelet.json", layout.config / "node.kubeconfig"
    return Component(
        "kubelet",
        (
            f"{binaries}/kubelet",
            f"--config={config}",
            f"--kubeconfig={kubeconfig}",
            f"--root-dir={layout.kubelet_root}",
            f"--cert-dir={layout.kubelet_root}/pki",
            f"--hostname-override={NODE_NAME}",
            f"--node-ip={NODE_ADDRESS}",
        ),
        config_files=(config, kubeconfig),
    )


def render_proxy_config(layout: Layout) -> str:
    """Return kube-proxy's configuration in JSON, which is valid YAML."""
    document = {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "bindAddress": NODE_ADDRESS,
        "clientConnection": {"kubeconfig": f"{layout.config}/proxy.kubeconfig"},
        "clusterCIDR": POD_RANGE,
        "detectLocalMode": "ClusterCIDR",
        # So that kube-proxy does not change the machine's connection tracking limits.
        "conntrack": {
            "maxPerCore": 0,
            "min": 0,
            "tcpCloseWaitTimeout": "0s",
            "tcpEstablishedTimeout": "0s",
        },
        "healthzBindAddress": f"127.0.0.1:{PROXY_HEALTH_PORT}",
        "hostnameOverride": NODE_NAME,
        "iptables": {"localhostNodePorts": False, "minSyncPeriod": "100ms"},
        "metricsBindAddress": "127.0.0.1:10249",
        "mode": "iptables",
        "nodePortAddresses": [f"{NODE_ADDRESS}/32"],
        "oomScoreAdj": OOM_SCORE,
    }
    return json.dumps(document, indent=2) + "\n"


def proxy(binaries: Path, layout: Layout) -> Component:
    """Return the component."""
    config, kubeconfig = layout.config / "proxy.json", layout.config / "proxy.kubeconfig"
    return Component(
        "kube-proxy",
        (f"{binaries}/kube-proxy", f"--config={config}"),
        config_files=(config, kubeconfig),
    )
