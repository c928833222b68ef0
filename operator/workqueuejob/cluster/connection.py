"""Opens and closes the connection to the API server, and guards what is written through it.

Its requests share a budget. Knows no object.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

from kubernetes.aio import client
from kubernetes.aio import config as untyped_config

from workqueuejob.cluster.budget import RequestBudget, RequestKind
from workqueuejob.cluster.decoding import decode
from workqueuejob.names import GROUP

config: Any = untyped_config

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
        *,
        budget: RequestBudget | None = None,
    ) -> None:
        """Prepare.

        guard: raises NotWritten to keep a write from being sent. pause: awaited before an answer is
        read, so that many answers at once don't keep the rest of the event loop waiting. budget:
        one of its own by default.
        """
        super().__init__(configuration)
        self._guard = guard
        self._pause = pause
        self._budget = budget or RequestBudget()

    async def call_api(self, method: str, url: str, *arguments: Any, **options: Any) -> Any:
        """Send a request when it is its turn; raises what the guard raises."""
        kind = _tell_kind(method, url)
        async with self._budget.place(kind):
            # After the wait, in which the Lease may have been lost, or the plan become too old.
            if kind is not RequestKind.READ:
                self._guard()
            answer = await super().call_api(method, url, *arguments, **options)
        if self._pause is not None:
            await self._pause()
        return answer


@asynccontextmanager
async def api_client(
    *,
    guard: Callable[[], None] | None = None,
    pause: Callable[[], Awaitable[None]] | None = None,
    budget: RequestBudget | None = None,
) -> AsyncIterator[client.ApiClient]:
    """Yield a client from the pod's service account or, outside a cluster, from the kubeconfig.

    guard, pause, budget: see GuardedClient; without a guard nothing is guarded. Raises
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
        else GuardedClient(configuration, guard, pause, budget=budget)
    ) as opened:
        yield opened


def _tell_kind(method: str, url: str) -> RequestKind:
    if method in _READING:
        return RequestKind.READ
    path = urlsplit(url).path
    is_status = f"/{GROUP}/" in path and path.endswith("/status")
    return RequestKind.STATUS if is_status else RequestKind.OTHER_WRITE
