"""Checks the environment by which a user's own program finds its queue.

`BROKER_URL` and `QUEUE` are what Kubernetes' documents call them; the broker's room builds them.
Credentials stay in the Secret: the kubelet puts the URL together from references.
"""

import re

from workqueuejob.api import QueueSource, WorkQueueJobSpec
from workqueuejob.brokers.registry import find_room
from workqueuejob.brokers.sides import Variable
from workqueuejob.brokers.traits import read_traits
from workqueuejob.contract.settings import BROKER_URL
from workqueuejob.errors import CredentialsNotURLSafe
from workqueuejob.planning.pods.template_shape import read_variable_names

_URL_SAFE = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=-]+")
"""What may stand in a URL's user info as it is (RFC 3986, unreserved and sub-delims)."""


def build_environment(queue: QueueSource) -> list[Variable]:
    """Return the variables for every container, in an order in which each may use those before."""
    if queue.broker is None:
        return []
    return find_room(queue.broker).environment.build_variables(queue.source)


def check_credentials(
    spec: WorkQueueJobSpec, *, username: str | None, password: str | None
) -> None:
    """Raise CredentialsNotURLSafe if a container would get a `BROKER_URL` that can't be parsed."""
    secret = read_traits(spec.queue).login_for_url
    if secret is None or not _needs_url(spec):
        return
    if all(_URL_SAFE.fullmatch(part) for part in (username, password) if part is not None):
        return
    raise CredentialsNotURLSafe(
        f"the user name or password in Secret {secret!r} has characters that a URL can't hold as"
        f" they are, so {BROKER_URL} can't be put together; give the whole URI, percent-encoded, by"
        f" spec.queue.{spec.queue.broker}.uriSecretRef, or set {BROKER_URL} in the template's"
        " containers yourself"
    )


def _needs_url(spec: WorkQueueJobSpec) -> bool:
    if spec.worker is not None or spec.template.is_too_large:
        return False
    containers = spec.template.parse()["spec"]["containers"]
    return any(BROKER_URL not in read_variable_names(container) for container in containers)
