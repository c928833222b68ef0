"""Opens and closes the connection to the API server."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from kubernetes.aio import client
from kubernetes.aio import config as untyped_config

config: Any = untyped_config


@asynccontextmanager
async def api_client() -> AsyncIterator[client.ApiClient]:
    """Yield a client from the pod's service account or, outside a cluster, from the kubeconfig.

    Raises `kubernetes.aio.config.ConfigException` when there is neither.
    """
    configuration = client.Configuration()
    try:
        config.load_incluster_config(client_configuration=configuration)
    except config.ConfigException:
        await config.load_kube_config(client_configuration=configuration)
    async with client.ApiClient(configuration) as opened:
        yield opened
