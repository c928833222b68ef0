"""The command lines of etcd, the API server, the controllers, the scheduler and of fake nodes.

Starts nothing.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from dev.local import audit
from dev.local.layout import SERVICE_RANGE, Layout
from dev.local.processes import Component

CONTROLLER_MANAGER_PORT = 10257
SCHEDULER_PORT = 10259


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The addresses of a control plane: etcd is on loopback, the API server on `address`."""

    address: str
    api_port: int
    etcd_client_port: int
    etcd_peer_port: int

    @property
    def server(self) -> str:
        """The API server's URL."""
        return f"https://{self.address}:{self.api_port}"

    @property
    def etcd(self) -> str:
        """The URL that etcd's clients use."""
        return f"http://127.0.0.1:{self.etcd_client_port}"


def etcd(binaries: Path, data: Path, at: Endpoints) -> Component:
    """Return etcd: one member, which listens on loopback only and without TLS."""
    peer = f"http://127.0.0.1:{at.etcd_peer_port}"
    return Component(
        "etcd",
        (
            f"{binaries}/etcd",
            "--name=local",
            f"--data-dir={data}",
            f"--listen-client-urls={at.etcd}",
            f"--advertise-client-urls={at.etcd}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=local={peer}",
            # The cluster's data need not survive a power cut.
            "--unsafe-no-fsync",
            "--log-level=warn",
        ),
    )


def bare_api_server(
    binaries: Path, pki: Path, at: Endpoints, *, more_flags: tuple[str, ...] = ()
) -> Component:
    """Return an API server without kubelets.

    Its admission does not ask for service accounts, which no controller would make.
    """
    flags = (
        "--authorization-mode=RBAC",
        "--disable-admission-plugins=ServiceAccount",
        "--endpoint-reconciler-type=none",
        *more_flags,
    )
    return _api_server(binaries, pki, at, flags)


def api_server(binaries: Path, layout: Layout, at: Endpoints) -> Component:
    """Return the cluster's API server, which can reach its kubelet and writes an audit log."""
    pki = layout.pki
    flags = (
        *audit.build_flags(audit.policy_file(layout), layout.audit_log),
        f"--advertise-address={at.address}",
        "--authorization-mode=Node,RBAC",
        # The second one is off by default; where it is on, an operator needs a right more.
        "--enable-admission-plugins=NodeRestriction,OwnerReferencesPermissionEnforcement",
        f"--kubelet-certificate-authority={pki}/ca.crt",
        f"--kubelet-client-certificate={pki}/kubelet-client.crt",
        f"--kubelet-client-key={pki}/kubelet-client.key",
        # The node's name is in no DNS.
        "--kubelet-preferred-address-types=InternalIP",
    )
    server = _api_server(binaries, pki, at, flags)
    return replace(server, config_files=(audit.policy_file(layout),))


def _api_server(binaries: Path, pki: Path, at: Endpoints, flags: tuple[str, ...]) -> Component:
    return Component(
        "kube-apiserver",
        (
            f"{binaries}/kube-apiserver",
            f"--etcd-servers={at.etcd}",
            f"--bind-address={at.address}",
            f"--secure-port={at.api_port}",
            f"--tls-cert-file={pki}/apiserver.crt",
            f"--tls-private-key-file={pki}/apiserver.key",
            f"--client-ca-file={pki}/ca.crt",
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            f"--service-account-key-file={pki}/service-account.pub",
            f"--service-account-signing-key-file={pki}/service-account.key",
            f"--service-cluster-ip-range={SERVICE_RANGE}",
            "--allow-privileged=true",
            "--profiling=false",
            *flags,
        ),
    )


def controller_manager(
    binaries: Path,
    pki: Path,
    kubeconfig: Path,
    *,
    port: int = CONTROLLER_MANAGER_PORT,
    controllers: str = "*",
) -> Component:
    """Return the controller manager, with many concurrent syncs of Jobs.

    port: 0 for none. controllers: their names with commas; by default those that Kubernetes starts.
    """
    return Component(
        "kube-controller-manager",
        (
            f"{binaries}/kube-controller-manager",
            f"--kubeconfig={kubeconfig}",
            "--bind-address=127.0.0.1",
            f"--secure-port={port}",
            f"--controllers={controllers}",
            # It is the only one, so that it need not wait for a lease after a restart.
            "--leader-elect=false",
            "--use-service-account-credentials=true",
            f"--service-account-private-key-file={pki}/service-account.key",
            f"--root-ca-file={pki}/ca.crt",
            f"--cluster-signing-cert-file={pki}/ca.crt",
            f"--cluster-signing-key-file={pki}/ca.key",
            "--concurrent-job-syncs=20",
            "--kube-api-qps=100",
            "--kube-api-burst=200",
        ),
        config_files=(kubeconfig,),
    )


def scheduler(binaries: Path, kubeconfig: Path) -> Component:
    """Return the scheduler, with its default profile."""
    return Component(
        "kube-scheduler",
        (
            f"{binaries}/kube-scheduler",
            f"--kubeconfig={kubeconfig}",
            "--bind-address=127.0.0.1",
            f"--secure-port={SCHEDULER_PORT}",
            "--leader-elect=false",
            "--kube-api-qps=100",
            "--kube-api-burst=200",
        ),
        config_files=(kubeconfig,),
    )


def fake_nodes(program: Path, kubeconfig: Path, stages: Path) -> Component:
    """Return kwok, which lets pods of all nodes run without running them.

    stages: says what becomes of a pod, and when.
    """
    return Component(
        "kwok",
        (
            str(program),
            f"--kubeconfig={kubeconfig}",
            f"--config={stages}",
            "--manage-all-nodes=true",
            # No kubelet renews a lease, because no controller looks for lost nodes.
            "--node-lease-duration-seconds=0",
            "--cidr=198.18.128.0/17",
        ),
        config_files=(kubeconfig, stages),
    )
