"""Manifests of objects beside WorkQueueJobs."""

from collections.abc import Mapping
from typing import Any

Manifest = dict[str, Any]

LEFT_OVERS = "wqj-test=true"
"""The selector of every namespace that a test has made."""


def a_secret(name: str, data: Mapping[str, str]) -> Manifest:
    """Return a Secret of texts."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name},
        "stringData": dict(data),
    }


def a_login(name: str, username: str, password: str) -> Manifest:
    """Return a Secret as `credentialsSecretRef` expects it."""
    return a_secret(name, {"username": username, "password": password})


def a_namespace(name: str, *, labels: Mapping[str, str] | None = None) -> Manifest:
    """Return a test's namespace, which LEFT_OVERS selects."""
    key, _, value = LEFT_OVERS.partition("=")
    metadata = {"name": name, "labels": {key: value, **(labels or {})}}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
