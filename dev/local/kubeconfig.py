"""Writes kubeconfig files, which hold their certificates and which only their owner can read."""

import base64
import json
from pathlib import Path

from dev.local.certificates import Identity
from dev.local.layout import CLUSTER_NAME


def render_kubeconfig(pki: Path, identity: Identity, server: str) -> str:
    """Return a kubeconfig in JSON, which is valid YAML."""
    user = {
        "client-certificate-data": _encode(pki / f"{identity.file}.crt"),
        "client-key-data": _encode(pki / f"{identity.file}.key"),
    }
    cluster = {"server": server, "certificate-authority-data": _encode(pki / "ca.crt")}
    context = {"cluster": CLUSTER_NAME, "user": identity.user}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": CLUSTER_NAME, "cluster": cluster}],
        "users": [{"name": identity.user, "user": user}],
        "contexts": [{"name": CLUSTER_NAME, "context": context}],
        "current-context": CLUSTER_NAME,
    }
    return json.dumps(document, indent=2) + "\n"


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, in one step; leave it alone if it is the same."""
    if path.exists() and path.read_text() == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".unfinished")
    draft.touch(mode=0o600)
    draft.write_text(text)
    draft.replace(path)


def _encode(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
