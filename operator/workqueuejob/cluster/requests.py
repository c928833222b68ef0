"""How the operator's requests to the API server are made and their answers read."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from kubernetes.aio import client

from workqueuejob.cluster.decoding import decode
from workqueuejob.cluster.errors import cluster_errors
from workqueuejob.cluster.pages import Manifest, Page, Trim, read_page

TIMEOUT_SECONDS = 15.0
_PAGE = 500
_CHUNK_BYTES = 1 << 16


async def list_objects(
    request: Callable[..., Any], trim: Trim, limit: int | None, /, **arguments: Any
) -> tuple[list[Manifest], str]:
    """Return one page of at most `limit` objects, or all, and the version that they are of.

    request: a method of the client that leaves the answer unread. Raises ClusterError.
    """
    found: list[Manifest] = []
    token: str | None = None
    while True:
        with cluster_errors():
            response = await request(
                **arguments,
                limit=limit or _PAGE,
                _continue=token,
                _request_timeout=TIMEOUT_SECONDS,
            )
            page = await _read_page(response, trim)
        found += page.items
        if limit is not None or not page.token:
            return found, page.resource_version
        token = page.token


async def read_json(response: Any) -> Manifest:
    """Return what the API server answered; raises ApiException if it is an error."""
    body = await response.text()
    if response.status >= 400:
        raise client.ApiException(status=response.status, reason=response.reason, body=body)
    manifest: Manifest = decode(body)
    return manifest


async def _read_page(response: Any, trim: Trim) -> Page:
    if response.status >= 400:
        await read_json(response)
    return await read_page(response.content.iter_chunked(_CHUNK_BYTES), trim)


def write_micro_time(time: datetime) -> str:
    """Return a time in UTC with six digits of its second; fewer are refused."""
    return time.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
