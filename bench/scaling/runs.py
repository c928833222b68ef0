"""The WorkQueueJobs of `bench.scale`, and the Secrets with their logins. Pure."""

from dataclasses import dataclass
from typing import Any

from dev.local.fake_cluster import node_name
from dev.workspaces.objects import a_login
from tests.crd.manifests import build_manifest, merged

Manifest = dict[str, Any]

SPACE = "bench"
"""The namespace of all runs."""

HOST = "127.0.0.1"
PASSWORD = "bench"  # noqa: S105 - of a broker that lives as long as the bench
DEAD_LETTERS = "dead-letters"
PARALLELISM = 2


@dataclass(frozen=True, slots=True)
class Shape:
    """What the runs of a scenario have in common.

    logins: how many users of the broker they share, one after the other.
    has_worker: whether the worker takes their items and tries failed ones again.
    """

    logins: int = 1
    has_worker: bool = False


def name_run(number: int, prefix: str = "run") -> str:
    """Return the name of a run, which is also its queue's."""
    return f"{prefix}-{number}"


def name_login(number: int) -> str:
    """Return the name of a user, and of the Secret with the login."""
    return f"login-{number}"


def build_login(number: int) -> Manifest:
    """Return the Secret of a user."""
    secret = a_login(name_login(number), name_login(number), PASSWORD)
    return merged(secret, {"metadata": {"namespace": SPACE}})


def build_run(name: str, number: int, *, port: int, shape: Shape, **changes: Any) -> Manifest:
    """Return a Continuous run whose pods the fake nodes run; its queue has its name.

    port: the broker's. changes: of the spec, as a JSON merge patch.
    """
    login = {"name": name_login(number % shape.logins)}
    queue = {"host": HOST, "port": port, "queue": name, "credentialsSecretRef": login}
    container: Manifest = {"name": "worker", "image": "none"}
    spec: Manifest = {
        "runPolicy": "Continuous",
        "parallelism": PARALLELISM,
        "queue": {"rabbitmq": queue},
        "template": {"spec": {"nodeName": node_name(number), "containers": [container]}},
    }
    if shape.has_worker:
        container["command"] = ["true"]
        spec |= {
            "worker": {"source": "Injected"},
            "retry": {"maxAttempts": 3, "deadLetter": {"name": DEAD_LETTERS}},
        }
    manifest = build_manifest({"metadata": {"name": name, "namespace": SPACE}, "spec": spec})
    return merged(manifest, {"spec": changes})
