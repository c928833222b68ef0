"""containerd's configuration and command line, separate from a containerd of the system.

Starts nothing.
"""

import json
from pathlib import Path

from dev.local.layout import CLUSTER_NAME, POD_RANGE, Layout
from dev.local.processes import Component

PAUSE_IMAGE = "localhost/workqueuejob/pause:1"
NAMESPACE = "k8s.io"
CNI_PLUGINS = "/usr/lib/cni"


def render_config(layout: Layout) -> str:
    """Return containerd's configuration in TOML; all its files are in the cluster's directories."""
    return f"""version = 2
root = "{layout.containerd_root}"
state = "{layout.containerd_state}"
disabled_plugins = [
  "io.containerd.internal.v1.tracing", "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs",
]

[grpc]
address = "{layout.containerd_socket}"

[plugins."io.containerd.internal.v1.opt"]
path = "{layout.containerd_root}/opt"

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{PAUSE_IMAGE}"
stream_server_address = "127.0.0.1"
# Without CAP_SYS_RESOURCE a lower score is refused and no sandbox starts.
restrict_oom_score_adj = true
netns_mounts_under_state_dir = true

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{CNI_PLUGINS}"
conf_dir = "{layout.config}/cni"
max_conf_num = 1

[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "overlayfs"
default_runtime_name = "runc"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
SystemdCgroup = false
Root = "{layout.run}/runc"
"""


def render_cni(layout: Layout) -> str:
    """Return the pods' network configuration: point-to-point links without a bridge.

    The host has a route for each pod's address.
    """
    ipam = {
        "type": "host-local",
        "dataDir": str(layout.cni_leases),
        "ranges": [[{"subnet": POD_RANGE}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    plugins = [
        {"type": "ptp", "ipMasq": False, "ipam": ipam},
        {"type": "portmap", "capabilities": {"portMappings": True}, "snat": True},
    ]
    return (
        json.dumps({"cniVersion": "0.4.0", "name": CLUSTER_NAME, "plugins": plugins}, indent=2)
        + "\n"
    )


def containerd(layout: Layout) -> Component:
    """Return the component; a change of the network configuration restarts it as well."""
    config, cni = layout.config / "containerd.toml", layout.config / "cni" / "10-local.conflist"
    return Component(
        "containerd", ("/usr/bin/containerd", "--config", str(config)), config_files=(config, cni)
    )


def ctr(layout: Layout, *words: str | Path) -> list[str | Path]:
    """Return a command line of ctr in the namespace that the kubelet uses."""
    return ["ctr", "--address", layout.containerd_socket, "--namespace", NAMESPACE, *words]
