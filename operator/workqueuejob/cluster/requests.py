"""Lists objects page by page and reads single answers. Decides nothing."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from kubernetes.aio import client

from workqueuejob.cluster.decoding import decode
from workqueuejob.cluster.errors import cluster_errors
from workqueuejob.cluster.pages import Manifest, Page, Trim, read_page

TIMEOUT_SECONDS = 15.0
_PAGE_MAX_OBJECTS = 500
_CHUNK_BYTES = 1 << 16


async def list_objects(
    request: Callable[..., Any], trim: Trim, limit: int | None, /, **arguments: Any
) -> tuple[list[Manifest], str]:
    """Return trimmed objects and the list's resourceVersion: one page of at most `limit`, or all.

    request: a method of the client that returns the answer unread. limit: None for all objects, in
    as many pages as there are. Raises ClusterError.
    """
    objects: list[Manifest] = []
    token: str | None = None
    while True:
        with cluster_errors():
            response = await request(
                **arguments,
                limit=limit or _PAGE_MAX_OBJECTS,
                _continue=token,
                _request_timeout=TIMEOUT_SECONDS,
            )
            page = await _read_page(response, trim)
        objects += page.items
        if limit is not None or not page.token:
            return objects, page.resource_version
        token = page.token


async def read_json(response: Any) -> Manifest:
    """Return the object in an answer; raises ApiException if the answer is an error."""
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
    """Return a MicroTime: UTC with six digits of its second. The API server refuses fewer."""
    return time.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
