"""Manifests of objects beside WorkQueueJobs."""

from collections.abc import Mapping
from typing import Any

Manifest = dict[str, Any]


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
