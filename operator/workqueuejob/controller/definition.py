"""Waits at the start until WorkQueueJobs can be listed.

kopf lists the kinds of resources only once. If the CustomResourceDefinition or the operator's role
were created after that, it would watch nothing.
"""

import asyncio
import contextlib
from collections.abc import Sequence

import structlog

from workqueuejob.cluster.api import ClusterAPI
from workqueuejob.errors import ClusterError

_RETRY_SECONDS = 1.0

_log = structlog.get_logger(__name__)


async def wait_for_definition(
    cluster: ClusterAPI, namespaces: Sequence[str], stop: asyncio.Event
) -> None:
    """Wait until WorkQueueJobs can be listed, in one of the namespaces at least.

    A namespace that is gone, or where the operator has no role, keeps no other one waiting.

    namespaces: without any, WorkQueueJobs of all namespaces are listed. stop: ends the wait.
    """
    is_logged = False
    while not stop.is_set():
        errors = [await _try_to_list(cluster, namespace) for namespace in namespaces or (None,)]
        if None in errors:
            return
        if not is_logged:
            is_logged = True
            _log.warning("WorkQueueJobs can't be listed yet", error=str(errors[0]))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_RETRY_SECONDS):
                await stop.wait()


async def _try_to_list(cluster: ClusterAPI, namespace: str | None) -> ClusterError | None:
    """Return why WorkQueueJobs can't be listed there, or None."""
    try:
        await cluster.list_work_queue_jobs(namespace, limit=1)
    except ClusterError as error:
        return error
    return None
