"""The operator's whole use of the API server, one method a request. Decides nothing.

Objects go in and come out as plain dicts: the client's models would drop the pod fields that are
newer than they are. Every write that depends on what was read carries its resourceVersion.

Every method raises a ClusterError in the API server's own words.
"""

from collections.abc import Callable, Mapping
from typing import Any

from kubernetes.aio import client

from workqueuejob.cluster.core import CoreRequests
from workqueuejob.cluster.errors import cluster_errors
from workqueuejob.cluster.pages import Manifest
from workqueuejob.cluster.requests import TIMEOUT_SECONDS, list_objects, read_json
from workqueuejob.cluster.trimming import trim_job, trim_pod, trim_work_queue_job
from workqueuejob.errors import NotFound
from workqueuejob.names import GROUP, OPERATOR, PLURAL, VERSION

_MERGE_PATCH = "application/merge-patch+json"
_STRATEGIC_MERGE_PATCH = "application/strategic-merge-patch+json"
_JOBS = {"group": "batch", "version": "v1", "plural": "jobs"}
_WORK_QUEUE_JOBS = {"group": GROUP, "version": VERSION, "plural": PLURAL}
_EVENTS = {"group": "events.k8s.io", "version": "v1", "plural": "events"}


class ClusterAPI:
    """Reads and writes the objects of one cluster."""

    def __init__(self, api_client: client.ApiClient) -> None:
        # Any: the generated signatures don't know dicts for objects of these kinds.
        self._objects: Any = client.CustomObjectsApi(api_client)
        self._core = CoreRequests(api_client)

    async def create_job(self, manifest: Manifest, *, dry_run: bool = False) -> Manifest:
        """Create a Job with strict validation, or only ask whether it would be accepted."""
        with cluster_errors():
            created: Manifest = await self._objects.create_namespaced_custom_object(
                **_JOBS,
                namespace=manifest["metadata"]["namespace"],
                body=manifest,
                dry_run="All" if dry_run else None,
                field_manager=OPERATOR,
                field_validation="Strict",
                _request_timeout=TIMEOUT_SECONDS,
            )
        return created

    async def read_job(self, namespace: str, name: str) -> Manifest:
        """Return a Job."""
        with cluster_errors():
            job: Manifest = await self._objects.get_namespaced_custom_object(
                **_JOBS, namespace=namespace, name=name, _request_timeout=TIMEOUT_SECONDS
            )
        return job

    async def list_jobs(self, namespace: str, *, label_selector: str) -> tuple[list[Manifest], str]:
        """Return the Jobs and the resourceVersion that the list is of."""
        return await list_objects(
            self._objects.list_namespaced_custom_object_without_preload_content,
            trim_job,
            None,
            **_JOBS,
            namespace=namespace,
            label_selector=label_selector,
        )

    async def delete_job(
        self, namespace: str, name: str, *, uid: str, resource_version: str
    ) -> None:
        """Delete this very Job, and its pods after it; one that is gone already is no error.

        Conflict if the Job has changed since.
        """
        await self._delete(
            **_JOBS, namespace=namespace, name=name, uid=uid, resource_version=resource_version
        )

    async def patch_job_spec(
        self, namespace: str, name: str, spec: Mapping[str, Any], *, resource_version: str
    ) -> Manifest:
        """Change mutable fields of a Job's spec; Conflict if the Job has changed since."""
        return await self._patch(
            self._objects.patch_namespaced_custom_object,
            **_JOBS,
            namespace=namespace,
            name=name,
            body={"metadata": {"resourceVersion": resource_version}, "spec": dict(spec)},
        )

    async def patch_job_condition(
        self, namespace: str, name: str, condition: Mapping[str, Any], *, resource_version: str
    ) -> Manifest:
        """Set a condition in a Job's status; Conflict if the Job has changed since."""
        return await self._patch(
            self._objects.patch_namespaced_custom_object_status,
            **_JOBS,
            namespace=namespace,
            name=name,
            body={
                "metadata": {"resourceVersion": resource_version},
                "status": {"conditions": [dict(condition)]},
            },
            _content_type=_STRATEGIC_MERGE_PATCH,
        )

    async def list_work_queue_jobs(self, namespace: str | None, *, limit: int) -> list[Manifest]:
        """Return at most `limit` WorkQueueJobs of a namespace, or of all."""
        if namespace is None:
            request = self._objects.list_cluster_custom_object_without_preload_content
            where = {}
        else:
            request = self._objects.list_namespaced_custom_object_without_preload_content
            where = {"namespace": namespace}
        found, _ = await list_objects(
            request, trim_work_queue_job, limit, **_WORK_QUEUE_JOBS, **where
        )
        return found

    async def read_work_queue_job(self, namespace: str, name: str) -> Manifest | None:
        """Return a WorkQueueJob, or None if there is none of that name.

        It is listed, which the watch needs the right to anyway. And a kind that is not served for
        a moment is an error then, and not an object that is gone.
        """
        found, _ = await list_objects(
            self._objects.list_namespaced_custom_object_without_preload_content,
            trim_work_queue_job,
            1,
            **_WORK_QUEUE_JOBS,
            namespace=namespace,
            field_selector=f"metadata.name={name}",
        )
        return found[0] if found else None

    async def delete_work_queue_job(
        self, namespace: str, name: str, *, uid: str, resource_version: str
    ) -> None:
        """Delete this very WorkQueueJob, and what it owns after it; Conflict if it has changed."""
        await self._delete(
            **_WORK_QUEUE_JOBS,
            namespace=namespace,
            name=name,
            uid=uid,
            resource_version=resource_version,
        )

    async def patch_status(
        self, namespace: str, name: str, status: Manifest, *, resource_version: str
    ) -> Manifest:
        """Write a WorkQueueJob's status; null removes a field; Conflict if it has changed since."""
        patched = await self._patch(
            self._objects.patch_namespaced_custom_object_status,
            **_WORK_QUEUE_JOBS,
            namespace=namespace,
            name=name,
            body={"metadata": {"resourceVersion": resource_version}, "status": status},
        )
        return trim_work_queue_job(patched)

    async def _delete(self, *, uid: str, resource_version: str, **where: str) -> None:
        # A plain DELETE of a Job would leave its pods to themselves.
        options = client.V1DeleteOptions(
            propagation_policy="Background",
            preconditions=client.V1Preconditions(uid=uid, resource_version=resource_version),
        )
        try:
            with cluster_errors():
                await self._objects.delete_namespaced_custom_object(
                    **where, body=options, _request_timeout=TIMEOUT_SECONDS
                )
        except NotFound:
            return

    async def _patch(self, request: Callable[..., Any], **arguments: Any) -> Manifest:
        with cluster_errors():
            patched: Manifest = await request(
                **{"_content_type": _MERGE_PATCH, **arguments},
                field_manager=OPERATOR,
                _request_timeout=TIMEOUT_SECONDS,
            )
        return patched

    async def list_pods(
        self,
        namespace: str,
        *,
        label_selector: str,
        field_selector: str | None = None,
        limit: int | None = None,
    ) -> list[Manifest]:
        """Return at most `limit` pods; all, by as many pages as it takes, if it is None."""
        pods, _ = await list_objects(
            self._core.list_pods,
            trim_pod,
            limit,
            namespace=namespace,
            label_selector=label_selector,
            field_selector=field_selector,
        )
        return pods

    async def delete_pod(
        self, namespace: str, name: str, *, uid: str, grace_period_seconds: int
    ) -> None:
        """Delete this very pod; one that is gone already is no error."""
        options = client.V1DeleteOptions(
            grace_period_seconds=grace_period_seconds,
            preconditions=client.V1Preconditions(uid=uid),
        )
        try:
            with cluster_errors():
                response = await self._core.delete_pod(
                    namespace, name, body=options, timeout_seconds=TIMEOUT_SECONDS
                )
                await read_json(response)
        except NotFound:
            return

    async def read_secret(self, namespace: str, name: str) -> Manifest | None:
        """Return a Secret, or None if there is none of that name."""
        try:
            with cluster_errors():
                response = await self._core.read_secret(
                    namespace, name, timeout_seconds=TIMEOUT_SECONDS
                )
                secret: Manifest = await read_json(response)
        except NotFound:
            return None
        return secret

    async def create_event(self, namespace: str, manifest: Manifest) -> None:
        """Create an Event."""
        with cluster_errors():
            await self._objects.create_namespaced_custom_object(
                **_EVENTS, namespace=namespace, body=manifest, _request_timeout=TIMEOUT_SECONDS
            )
