"""The environment by which a user's own program finds its queue.

`BROKER_URL` and `QUEUE` are what Kubernetes' documents call them. Credentials stay in the Secret:
the URL is put together by the kubelet from references.
"""

import re
from typing import Any
from urllib.parse import quote

from workqueuejob.api import QueueSource, RabbitMQQueue, WorkQueueJobSpec
from workqueuejob.api.rabbitmq import AuthMechanism
from workqueuejob.errors import CredentialsNotURLSafe
from workqueuejob.protocol.connection import (
    AMQP_PORT,
    AMQPS_PORT,
    DEFAULT_CREDENTIALS,
    DEFAULT_VIRTUAL_HOST,
)

BROKER_URL = "BROKER_URL"
QUEUE = "QUEUE"
_USERNAME = "WQJ_BROKER_USERNAME"
_PASSWORD = "WQJ_BROKER_PASSWORD"  # noqa: S105 - a variable's name

_URL_SAFE = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=-]+")
"""What may stand in a URL's user info as it is (RFC 3986, unreserved and sub-delims)."""

Variable = dict[str, Any]


def build_environment(queue: QueueSource) -> list[Variable]:
    """Return the variables for every container, in an order in which each may use those before."""
    rabbitmq = queue.rabbitmq
    if rabbitmq is None:
        return []
    return [*_build_broker_url(rabbitmq), {"name": QUEUE, "value": rabbitmq.queue}]


def check_credentials(spec: WorkQueueJobSpec, *, username: str, password: str) -> None:
    """Raise CredentialsNotURLSafe if a container would get a `BROKER_URL` that can't be parsed."""
    rabbitmq = spec.queue.rabbitmq
    if rabbitmq is None or rabbitmq.credentials_secret_ref is None or not _needs_url(spec):
        return
    if _URL_SAFE.fullmatch(username) and _URL_SAFE.fullmatch(password):
        return
    raise CredentialsNotURLSafe(
        f"the user name or password in Secret {rabbitmq.credentials_secret_ref.name!r} has"
        f" characters that a URL can't hold as they are, so {BROKER_URL} can't be put together;"
        " give the whole URI, percent-encoded, by spec.queue.rabbitmq.uriSecretRef, or set"
        f" {BROKER_URL} in the template's containers yourself"
    )


def _needs_url(spec: WorkQueueJobSpec) -> bool:
    containers = spec.template["spec"]["containers"]
    return any(
        BROKER_URL not in {variable["name"] for variable in container.get("env") or ()}
        for container in containers
    )


def _build_broker_url(rabbitmq: RabbitMQQueue) -> list[Variable]:
    if rabbitmq.uri_secret_ref is not None:
        reference = rabbitmq.uri_secret_ref
        return [_from_secret(BROKER_URL, reference.name, reference.key)]
    scheme, default_port = (
        ("amqps", AMQPS_PORT) if rabbitmq.tls is not None else ("amqp", AMQP_PORT)
    )
    vhost = rabbitmq.vhost or DEFAULT_VIRTUAL_HOST
    path = "" if vhost == DEFAULT_VIRTUAL_HOST else f"/{quote(vhost, safe='')}"
    address = f"{_bracket(rabbitmq.host or '')}:{rabbitmq.port or default_port}{path}"
    credentials = rabbitmq.credentials_secret_ref
    if credentials is not None:
        return [
            _from_secret(_USERNAME, credentials.name, credentials.username_key),
            _from_secret(_PASSWORD, credentials.name, credentials.password_key),
            {"name": BROKER_URL, "value": f"{scheme}://$({_USERNAME}):$({_PASSWORD})@{address}"},
        ]
    if rabbitmq.auth_mechanism is AuthMechanism.EXTERNAL:
        return [{"name": BROKER_URL, "value": f"{scheme}://{address}"}]
    return [{"name": BROKER_URL, "value": f"{scheme}://{':'.join(DEFAULT_CREDENTIALS)}@{address}"}]


def _bracket(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _from_secret(name: str, secret: str, key: str) -> Variable:
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}
