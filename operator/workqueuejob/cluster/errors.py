"""Translates the API server's refusals into the project's errors; keeps the server's message."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import aiohttp
from kubernetes.aio.client import ApiException

from workqueuejob.cluster.decoding import decode
from workqueuejob.errors import (
    ClusterError,
    ClusterUnavailable,
    Conflict,
    JobNameConflict,
    JobRejected,
    NamespaceTerminating,
    NotFound,
    TemplateInvalid,
)

_BY_REASON: dict[str, type[ClusterError]] = {
    "AlreadyExists": JobNameConflict,
    "Conflict": Conflict,
    "NotFound": NotFound,
    "Invalid": TemplateInvalid,
    "BadRequest": TemplateInvalid,
    "Forbidden": JobRejected,
}
"""By the reason in the API server's Status."""

_BY_CODE: dict[int, type[ClusterError]] = {
    400: TemplateInvalid,
    403: JobRejected,
    404: NotFound,
    409: Conflict,
    422: TemplateInvalid,
}
"""By the status code, where the Status has no known reason."""

_DENIED = re.compile(r"denied (the )?request")
"""In the message of an admission webhook or policy that refuses; it chooses code and reason."""

_SILENT_WEBHOOK = re.compile(r'failed calling webhook "([^"]+)"')
"""In the API server's message, with code 500, when a webhook gave no valid answer."""

_NOT_REFUSED = frozenset({401, 408, 429})
"""Codes below 500 that say nothing about the object that was sent."""


@contextmanager
def cluster_errors() -> Iterator[None]:
    """Raise a ClusterError in the place of what the client raises, with the server's message."""
    try:
        yield
    except ApiException as error:
        raise _translate(error) from error
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise ClusterUnavailable(
            f"the API server did not answer: {type(error).__name__}"
        ) from error


def _translate(error: ApiException) -> ClusterError:
    status = _read_status(error.body)
    reason, message = status.get("reason") or "", status.get("message") or ""
    code = error.status or 0
    silent = _SILENT_WEBHOOK.search(message)
    if silent is not None:
        return JobRejected(
            f"{message}; bring back what answers for webhook {silent[1]}, or change its"
            " configuration (kubectl get validatingwebhookconfigurations,"
            "mutatingwebhookconfigurations)"
        )
    if _DENIED.search(message):
        return JobRejected(message)
    kind = _BY_REASON.get(reason) or _BY_CODE.get(code) or _judge_by_class(code)
    if kind is JobRejected and _is_namespace_terminating(status):
        kind = NamespaceTerminating
    return kind(message or f"the API server answered {code} {error.reason}")


def _judge_by_class(code: int) -> type[ClusterError]:
    is_refusal = 400 <= code < 500 and code not in _NOT_REFUSED
    return JobRejected if is_refusal else ClusterUnavailable


def _read_status(body: object) -> Mapping[str, Any]:
    try:
        status = decode(body) if isinstance(body, str) else {}
    except ValueError:
        return {}
    return status if isinstance(status, dict) else {}


def _is_namespace_terminating(status: Mapping[str, Any]) -> bool:
    details = status.get("details")
    causes = details.get("causes") if isinstance(details, dict) else None
    return any(cause.get("reason") == "NamespaceTerminating" for cause in causes or ())
