"""Checks the environment by which a user's own program finds its queue.

`BROKER_URL` and `QUEUE` are what Kubernetes' documents call them; the broker's room builds them.
Credentials stay in the Secret: the kubelet puts the URL together from references.
"""

import re
from collections.abc import Mapping
from typing import Any

from workqueuejob.api import QueueSource, WorkQueueJobSpec
from workqueuejob.brokers.registry import find_room
from workqueuejob.brokers.sides import Variable
from workqueuejob.brokers.traits import read_traits
from workqueuejob.contract.secret_text import drop_line_break
from workqueuejob.contract.settings import BROKER_PASSWORD, BROKER_URL, BROKER_USERNAME
from workqueuejob.errors import CredentialsNotURLSafe
from workqueuejob.planning.pods.template_shape import read_variable_names

_LOGIN = frozenset({BROKER_USERNAME, BROKER_PASSWORD})
_URL_SAFE = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=-]+")
"""What may stand in a URL's user info as it is (RFC 3986, unreserved and sub-delims)."""


def build_environment(queue: QueueSource) -> list[Variable]:
    """Return the variables for a container, in an order in which each may use those before."""
    if queue.broker is None:
        return []
    return find_room(queue.broker).environment.build_variables(queue.source)


def check_credentials(
    spec: WorkQueueJobSpec, secrets: Mapping[str, Mapping[str, bytes] | None]
) -> None:
    """Raise CredentialsNotURLSafe if a container would get a `BROKER_URL` that can't be parsed.

    secrets: as the kubelet would read them.
    """
    secret = read_traits(spec.queue).login_for_url
    if secret is None or not _needs_url(spec):
        return
    login = (v for v in build_environment(spec.queue) if v["name"] in _LOGIN)
    parts = [_read_value(variable, secrets) for variable in login]
    if all(_URL_SAFE.fullmatch(part) for part in parts):
        return
    hint = ""
    if any(drop_line_break(part) != part for part in parts):
        hint = " (there is a line break at the end, as echo writes it: store the value without it)"
    raise CredentialsNotURLSafe(
        f"the user name or password in Secret {secret!r} has characters that a URL can't hold as"
        f" they are{hint}, so {BROKER_URL} can't be put together; give the whole URI,"
        f" percent-encoded, by spec.queue.{spec.queue.broker}.uriSecretRef, or set {BROKER_URL} in"
        " the template's containers yourself"
    )


def choose_containers(spec: WorkQueueJobSpec, pod: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the containers that get the variables, without the worker.

    It is the one that the spec names, and otherwise all, init containers included.
    """
    containers = list(pod["containers"])
    if spec.container_name is None:
        return [*(pod.get("initContainers") or ()), *containers]
    return [container for container in containers if container["name"] == spec.container_name]


def _needs_url(spec: WorkQueueJobSpec) -> bool:
    if spec.worker is not None or spec.template.is_too_large:
        return False
    pod = spec.template.parse()["spec"]
    # Init containers seldom talk to the broker, so a run does not wait for their URL.
    containers = choose_containers(spec, {"containers": pod["containers"]})
    return any(BROKER_URL not in read_variable_names(container) for container in containers)


def _read_value(variable: Variable, secrets: Mapping[str, Mapping[str, bytes] | None]) -> str:
    if "value" in variable:
        return str(variable["value"])
    reference = variable["valueFrom"]["secretKeyRef"]
    data = secrets.get(reference["name"]) or {}
    return data.get(reference["key"], b"").decode(errors="replace")
