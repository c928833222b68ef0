"""The paths of the cache and of the cluster's files, and its addresses. Touches no file."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

CLUSTER_NAME = "workqueuejob-local"
NODE_NAME = CLUSTER_NAME
CLUSTER_DOMAIN = "cluster.local"

# 198.18.0.0/15 is reserved for tests (RFC 2544), so it hides nothing on the internet.
BRIDGE = "wqj0"
NODE_ADDRESS = "198.18.255.1"
POD_RANGE = "198.18.0.0/17"
POD_GATEWAY = "198.18.0.1"
NODE_AND_POD_RANGE = "198.18.0.0/16"
SERVICE_RANGE = "198.19.0.0/16"
CLUSTER_RANGE = "198.18.0.0/15"
FIRST_SERVICE_ADDRESS = "198.19.0.1"
DNS_SERVICE_ADDRESS = "198.19.0.10"

API_PORT = 6443
ETCD_CLIENT_PORT = 12379
ETCD_PEER_PORT = 12380

SOURCE_DIR = Path(__file__).resolve().parent.parent
TOOLS_DIR = SOURCE_DIR / "tools"


@dataclass(frozen=True, slots=True)
class Layout:
    """The directories of one cluster."""

    cache: Path
    state: Path
    run: Path
    """Short, because a socket's path has 107 characters at most."""

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig; it is not in ~/.kube."""
        return self.state / "kubeconfig"

    @property
    def pki(self) -> Path:
        """Certificates and keys."""
        return self.state / "pki"

    @property
    def config(self) -> Path:
        """The components' configuration files."""
        return self.state / "config"

    @property
    def logs(self) -> Path:
        """One log file for each component, and the pods' logs in pods/."""
        return self.state / "logs"

    @property
    def audit_log(self) -> Path:
        """The API server's log of service accounts' requests; full ones are beside it."""
        return self.logs / "audit" / "requests.log"

    @property
    def pids(self) -> Path:
        """One pid file for each component that was started."""
        return self.state / "pids"

    @property
    def images(self) -> Path:
        """Buildah's store, exported archives, and the record of the images' inputs."""
        return self.state / "images"

    @property
    def containerd_root(self) -> Path:
        """containerd's images and snapshots, which `down` keeps."""
        return self.state / "containerd"

    @property
    def containerd_state(self) -> Path:
        """containerd's files that end with the machine."""
        return self.run / "containerd"

    @property
    def containerd_socket(self) -> Path:
        """containerd's socket, which its shims have in their command lines."""
        return self.run / "containerd.sock"

    @property
    def kubelet_root(self) -> Path:
        """Pods' volumes."""
        return self.state / "kubelet"

    @property
    def cni_leases(self) -> Path:
        """The pods' addresses."""
        return self.state / "cni-leases"


def build_layout(environment: Mapping[str, str] = os.environ) -> Layout:
    """Return the directories that WQJ_CACHE_DIR and WQJ_LOCAL_DIR name, or their defaults."""
    home = Path(environment.get("HOME") or "/root")
    xdg_cache = Path(environment.get("XDG_CACHE_HOME") or home / ".cache")
    return Layout(
        cache=Path(environment.get("WQJ_CACHE_DIR") or xdg_cache / "workqueuejob").absolute(),
        state=Path(environment.get("WQJ_LOCAL_DIR") or f"/var/lib/{CLUSTER_NAME}").absolute(),
        run=Path(f"/run/{CLUSTER_NAME}"),
    )
