"""Opens and closes the connection to the API server, and guards what is written through it.

Bounds how many requests are under way. Knows no object.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from kubernetes.aio import client
from kubernetes.aio import config as untyped_config

from workqueuejob.cluster.decoding import decode

config: Any = untyped_config

_MAX_CONCURRENT_REQUESTS = 12
"""Reads under way at most, and as many writes.

Without a limit, a start with thousands of WorkQueueJobs keeps the API server from answering the
Lease's requests in time. Reads and writes are counted apart, because a slow webhook delays writes
only.
"""

_READING = frozenset({"GET", "HEAD", "OPTIONS"})


class DeepReadingClient(client.ApiClient):
    """Reads objects that are nested too deeply for Python's own decoder."""

    def deserialize(self, response_text: str, response_type: str, content_type: str | None) -> Any:
        """Return the answer's object, as `decoding.decode` reads it."""
        if response_type == "object" and response_text:
            return decode(response_text)
        return super().deserialize(response_text, response_type, content_type)


class GuardedClient(DeepReadingClient):
    """Calls the guard before every request that is not a read.

    The guard stands here, and not in each call, so that no write through this client misses it.
    """

    def __init__(
        self,
        configuration: client.Configuration,
        guard: Callable[[], None],
        pause: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Prepare.

        guard: raises to keep a write from being sent. pause: awaited before an answer is read, so
        that many answers at once don't keep the rest of the event loop waiting.
        """
        super().__init__(configuration)
        self._guard = guard
        self._pause = pause
        self._reads = asyncio.Semaphore(_MAX_CONCURRENT_REQUESTS)
        self._writes = asyncio.Semaphore(_MAX_CONCURRENT_REQUESTS)

    async def call_api(self, method: str, *arguments: Any, **options: Any) -> Any:
        """Send a request when it is its turn; raises what the guard raises."""
        is_read = method in _READING
        async with self._reads if is_read else self._writes:
            # After the wait, in which the Lease may have been lost.
            if not is_read:
                self._guard()
            answer = await super().call_api(method, *arguments, **options)
        if self._pause is not None:
            await self._pause()
        return answer


@asynccontextmanager
async def api_client(
    *,
    guard: Callable[[], None] | None = None,
    pause: Callable[[], Awaitable[None]] | None = None,
) -> AsyncIterator[client.ApiClient]:
    """Yield a client from the pod's service account or, outside a cluster, from the kubeconfig.

    guard, pause: see GuardedClient; without a guard nothing is guarded. Raises
    `kubernetes.aio.config.ConfigException` when there is neither account nor kubeconfig.
    """
    configuration = client.Configuration()
    try:
        config.load_incluster_config(client_configuration=configuration)
    except config.ConfigException:
        await config.load_kube_config(client_configuration=configuration)
    async with (
        DeepReadingClient(configuration)
        if guard is None
        else GuardedClient(configuration, guard, pause)
    ) as opened:
        yield opened
