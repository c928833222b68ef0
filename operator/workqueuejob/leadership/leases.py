"""Reads and writes the one Lease by which replicas agree on a leader. Decides nothing.

Its client is not guarded (`cluster.connection.api_client`), because the guard lets nothing be
written before this process has the Lease.
"""

from datetime import datetime
from typing import Any

from kubernetes.aio import client

from workqueuejob.cluster.errors import cluster_errors
from workqueuejob.cluster.requests import write_micro_time
from workqueuejob.errors import Conflict, JobNameConflict, NotFound
from workqueuejob.leadership.rules import Lease, LeaseTimes
from workqueuejob.names import OPERATOR

_LEASES = {"group": "coordination.k8s.io", "version": "v1", "plural": "leases"}
_TIMEOUT_SECONDS = 3.0
"""Half of the renewal's deadline: after a request that hangs there is time for another one."""


class LeaseAPI:
    """One Lease. Every method raises a ClusterError whose message is the API server's."""

    def __init__(self, api_client: client.ApiClient, *, namespace: str, name: str) -> None:
        # Any: the generated signatures don't know dicts for objects.
        self._objects: Any = client.CustomObjectsApi(api_client)
        self._namespace = namespace
        self._name = name

    async def read(self) -> Lease | None:
        """Return the Lease, or None if there is none."""
        try:
            with cluster_errors():
                manifest = await self._objects.get_namespaced_custom_object(
                    **_LEASES,
                    namespace=self._namespace,
                    name=self._name,
                    _request_timeout=_TIMEOUT_SECONDS,
                )
        except NotFound:
            return None
        return _read_lease(manifest)

    async def write(self, lease: Lease) -> Lease:
        """Create the Lease, or replace the version that it was made from; return it as stored.

        Raises Conflict when another client was faster.
        """
        arguments = {
            **_LEASES,
            "namespace": self._namespace,
            "body": _build_manifest(lease, self._namespace, self._name),
            "field_manager": OPERATOR,
            "_request_timeout": _TIMEOUT_SECONDS,
        }
        try:
            with cluster_errors():
                if lease.resource_version:
                    stored = await self._objects.replace_namespaced_custom_object(
                        name=self._name, **arguments
                    )
                else:
                    stored = await self._objects.create_namespaced_custom_object(**arguments)
        except JobNameConflict as error:
            # `cluster_errors` takes a name that exists for a Job's. Here a race was lost.
            raise Conflict(str(error)) from error
        return _read_lease(stored)


def _build_manifest(lease: Lease, namespace: str, name: str) -> dict[str, Any]:
    metadata = {"namespace": namespace, "name": name}
    if lease.resource_version:
        metadata["resourceVersion"] = lease.resource_version
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": metadata,
        "spec": {
            "holderIdentity": lease.holder,
            "leaseDurationSeconds": lease.duration_seconds,
            "acquireTime": _write_time(lease.acquired),
            "renewTime": _write_time(lease.renewed),
            "leaseTransitions": lease.transitions,
        },
    }


def _read_lease(manifest: dict[str, Any]) -> Lease:
    spec = manifest.get("spec") or {}
    return Lease(
        holder=spec.get("holderIdentity") or "",
        # A Lease that was made by hand may lack it.
        duration_seconds=spec.get("leaseDurationSeconds") or LeaseTimes().duration_seconds,
        acquired=_read_time(spec.get("acquireTime")),
        renewed=_read_time(spec.get("renewTime")),
        transitions=spec.get("leaseTransitions") or 0,
        resource_version=manifest["metadata"]["resourceVersion"],
    )


def _read_time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _write_time(time: datetime | None) -> str | None:
    return None if time is None else write_micro_time(time)
