"""Makes a certificate authority and the certificates that it signs, once, with openssl."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from dev.local.commands import run

VALID_DAYS = "3650"
# Debian's openssl.cnf would make every self-issued certificate an authority.
OPENSSL_CONFIG = "[req]\ndistinguished_name = subject\n[subject]\n"


@dataclass(frozen=True, slots=True)
class Identity:
    """The user of a certificate, and the name of its files; with `names` it may also serve."""

    file: str
    user: str
    group: str | None = None
    names: tuple[str, ...] = ()

    def subject(self) -> str:
        """Return the subject in openssl's form."""
        # openssl separates by slashes; a user such as system:node:x needs no escape.
        return (f"/O={self.group}" if self.group else "") + f"/CN={self.user}"


ADMIN = Identity("admin", "workqueuejob-local-admin", "system:masters")
KUBELET_CLIENT = Identity("kubelet-client", "kube-apiserver", "system:masters")
CONTROLLER_MANAGER = Identity("controller-manager", "system:kube-controller-manager")
SCHEDULER = Identity("scheduler", "system:kube-scheduler")
PROXY = Identity("proxy", "system:kube-proxy")
COREDNS = Identity("coredns", "system:coredns")


def api_server_identity(addresses: tuple[str, ...]) -> Identity:
    """Return the API server's identity, with all names by which pods and the host call it."""
    services = (
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
    )
    names = tuple(f"DNS:{name}" for name in (*services, "localhost"))
    return Identity(
        "apiserver", "kube-apiserver", None, names + tuple(f"IP:{address}" for address in addresses)
    )


def node_identity(node: str, address: str) -> Identity:
    """Return the node's identity: a client of the API server, and its server of logs and exec."""
    return Identity("node", f"system:node:{node}", "system:nodes", (f"DNS:{node}", f"IP:{address}"))


def ensure_certificates(pki: Path, identities: tuple[Identity, ...]) -> None:
    """Make all files unless they are there, in one step.

    They are ca.{crt,key}, service-account.{key,pub}, and FILE.{crt,key} for each identity.
    """
    if pki.is_dir():
        return
    draft = pki.with_name(pki.name + ".unfinished")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True, mode=0o700)
    (draft / "openssl.cnf").write_text(OPENSSL_CONFIG)
    _issue_authority(draft)
    for identity in identities:
        _issue(draft, identity)
    run(["openssl", "genrsa", "-out", draft / "service-account.key", "2048"])
    run(
        [
            "openssl",
            "rsa",
            "-in",
            draft / "service-account.key",
            "-pubout",
            "-out",
            draft / "service-account.pub",
        ]
    )
    draft.rename(pki)


def _issue_authority(pki: Path) -> None:
    extensions = (
        "basicConstraints=critical,CA:TRUE",
        "keyUsage=critical,keyCertSign,cRLSign,digitalSignature",
    )
    _request(pki, "ca", "/CN=workqueuejob-local-ca", extensions)


def _issue(pki: Path, identity: Identity) -> None:
    usage = "serverAuth,clientAuth" if identity.names else "clientAuth"
    extensions = ["basicConstraints=critical,CA:FALSE", "keyUsage=critical,digitalSignature"]
    extensions.append(f"extendedKeyUsage={usage}")
    if identity.names:
        extensions.append(f"subjectAltName={','.join(identity.names)}")
    signer = ("-CA", str(pki / "ca.crt"), "-CAkey", str(pki / "ca.key"))
    _request(pki, identity.file, identity.subject(), tuple(extensions), signer)


def _request(
    pki: Path, file: str, subject: str, extensions: tuple[str, ...], signer: tuple[str, ...] = ()
) -> None:
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command = [
        "openssl",
        "req",
        "-x509",
        "-config",
        str(pki / "openssl.cnf"),
        "-days",
        VALID_DAYS,
        *key,
    ]
    command += [
        "-subj",
        subject,
        *signer,
        "-keyout",
        str(pki / f"{file}.key"),
        "-out",
        str(pki / f"{file}.crt"),
    ]
    for extension in extensions:
        command += ["-addext", extension]
    run(command)
