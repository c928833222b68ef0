"""Requests for pods and Secrets, which are in Kubernetes' core group. Decides nothing.

The client library's CoreV1Api takes 100 MB as soon as it is imported, for models of every kind.
`tests/unit/cluster/test_imports.py` keeps it out. Each method here returns the answer unread.
"""

from typing import Any

from kubernetes.aio import client

_PODS = "/api/v1/namespaces/{namespace}/pods"
_POD = f"{_PODS}/{{name}}"
_SECRET = "/api/v1/namespaces/{namespace}/secrets/{name}"  # noqa: S105 - a path


class CoreRequests:
    """Sends requests through a client, and so with its credentials, guard and limits."""

    def __init__(self, api_client: client.ApiClient) -> None:
        # Any: the client's methods have no annotations.
        self._client: Any = api_client

    async def list_pods(
        self, *, namespace: str, limit: int, _request_timeout: float, **query: str | None
    ) -> Any:
        """Ask for one page of pods.

        query: label_selector, field_selector and _continue, each of which may be None. These are
        the arguments of the client library's own list methods.
        """
        named = {
            "labelSelector": query["label_selector"],
            "fieldSelector": query["field_selector"],
            "continue": query["_continue"],
            "limit": limit,
        }
        return await self._send(
            _request_timeout,
            method="GET",
            resource_path=_PODS,
            path_params={"namespace": namespace},
            query_params=[(name, value) for name, value in named.items() if value is not None],
        )

    async def delete_pod(
        self, namespace: str, name: str, *, body: client.V1DeleteOptions, timeout_seconds: float
    ) -> Any:
        """Ask for a pod's deletion."""
        where = {"namespace": namespace, "name": name}
        return await self._send(
            timeout_seconds, method="DELETE", resource_path=_POD, path_params=where, body=body
        )

    async def read_secret(self, namespace: str, name: str, *, timeout_seconds: float) -> Any:
        """Ask for a Secret."""
        where = {"namespace": namespace, "name": name}
        return await self._send(
            timeout_seconds, method="GET", resource_path=_SECRET, path_params=where
        )

    async def _send(self, timeout_seconds: float, **request: Any) -> Any:
        serialized = await self._client.param_serialize(
            header_params={"Accept": "application/json"},
            auth_settings=["BearerToken"],
            **request,
        )
        answer = await self._client.call_api(*serialized, _request_timeout=timeout_seconds)
        return answer.response
