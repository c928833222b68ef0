"""Opens and closes the connection to the API server, and guards what is written through it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from kubernetes.aio import client
from kubernetes.aio import config as untyped_config

from workqueuejob.cluster.decoding import decode

config: Any = untyped_config

_AT_ONCE = 12
"""Reads, and writes, under way. Without a limit, a start with thousands of WorkQueueJobs keeps the
API server from answering for the Lease. Apart, because a slow webhook holds up writes alone."""

_READING = frozenset({"GET", "HEAD", "OPTIONS"})


class Client(client.ApiClient):
    """Reads objects of any depth."""

    def deserialize(self, response_text: str, response_type: str, content_type: str | None) -> Any:
        """Return what the API server says."""
        if response_type == "object" and response_text:
            return decode(response_text)
        return super().deserialize(response_text, response_type, content_type)


class GuardedClient(Client):
    """Asks before every request that is not a read; what it is told by an exception is raised.

    Here and not in each call, so that no write can be forgotten, not even one yet to be written.
    pause: waited for before an answer is read, so that many answers at once starve nobody.
    """

    def __init__(
        self,
        configuration: client.Configuration,
        ask: Callable[[], None],
        pause: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        super().__init__(configuration)
        self._ask = ask
        self._pause = pause
        self._reads, self._writes = asyncio.Semaphore(_AT_ONCE), asyncio.Semaphore(_AT_ONCE)

    async def call_api(self, method: str, *arguments: Any, **options: Any) -> Any:
        """Send a request."""
        is_read = method in _READING
        async with self._reads if is_read else self._writes:
            # After the wait, which may have outlasted the Lease.
            if not is_read:
                self._ask()
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

    guard: called before each write; raises to prevent it. pause: see GuardedClient.

    Raises `kubernetes.aio.config.ConfigException` when there is neither.
    """
    configuration = client.Configuration()
    try:
        config.load_incluster_config(client_configuration=configuration)
    except config.ConfigException:
        await config.load_kube_config(client_configuration=configuration)
    async with (
        Client(configuration) if guard is None else GuardedClient(configuration, guard, pause)
    ) as opened:
        yield opened
