"""Lists the Jobs of WorkQueueJobs, those of many in one request.

When the operator starts, each of thousands of WorkQueueJobs needs its Jobs. In each namespace one
list is under way at a time, and the next one is for all that have asked meanwhile. So a list always
begins after it was asked for, and a namespace with 500 WorkQueueJobs needs about ten.
"""

import asyncio
from itertools import islice
from typing import Any

from workqueuejob.cluster.api import ClusterAPI
from workqueuejob.names import UID_LABEL

MOST_AT_ONCE = 50
"""The most WorkQueueJobs of one request, whose UIDs are in its URL."""

Listed = tuple[list[dict[str, Any]], str]
"""The Jobs that have a WorkQueueJob's UID as a label, and the resourceVersion of the list."""


class JobLists:
    """The lists of Jobs of all WorkQueueJobs."""

    def __init__(self, cluster: ClusterAPI) -> None:
        self._cluster = cluster
        # By namespace and UID: those that wait for the next list.
        self._waiting: dict[str, dict[str, asyncio.Future[Listed]]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def list_jobs(self, namespace: str, uid: str) -> Listed:
        """Return the trimmed Jobs with this UID as a label, as a list begun now shows them.

        Labels prove nothing, see `is_own_job`. Raises ClusterError.
        """
        waiting = self._waiting.setdefault(namespace, {})
        if uid not in waiting:
            waiting[uid] = asyncio.get_running_loop().create_future()
        future = waiting[uid]
        if namespace not in self._tasks:
            self._tasks[namespace] = asyncio.create_task(self._list_all(namespace))
        # Another one may wait for the same list, so it outlives a caller that is cancelled.
        return await asyncio.shield(future)

    async def _list_all(self, namespace: str) -> None:
        """List for all that wait, until none does."""
        waiting = self._waiting[namespace]
        try:
            while waiting:
                batch = {uid: waiting.pop(uid) for uid in [*islice(waiting, MOST_AT_ONCE)]}
                await self._list(namespace, batch)
        finally:
            del self._tasks[namespace], self._waiting[namespace]
            for future in waiting.values():
                future.cancel()

    async def _list(self, namespace: str, batch: dict[str, asyncio.Future[Listed]]) -> None:
        by_uid: dict[str, list[dict[str, Any]]] = {uid: [] for uid in batch}
        try:
            jobs, resource_version = await self._cluster.list_jobs(
                namespace, label_selector=f"{UID_LABEL} in ({','.join(batch)})"
            )
            for job in jobs:
                by_uid[job["metadata"]["labels"][UID_LABEL]].append(job)
        except asyncio.CancelledError:
            for future in batch.values():
                future.cancel()
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, those that wait get it
            for future in batch.values():
                future.set_exception(error)
                # If all that waited are cancelled, asyncio must not log it as an unread error.
                future.exception()
            return
        for uid, future in batch.items():
            future.set_result((by_uid[uid], resource_version))
