"""The operator's requests to the API server, except its watches and its Lease. Decides nothing.

Objects go in and come out as plain dicts, because the client's models would drop pod fields that
are newer than the client. A write that depends on an object's state carries the resourceVersion
that was read. Every method raises a ClusterError whose message is the API server's.
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
        """Create a Job with strict validation; with dry_run only ask whether it is accepted."""
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
        """Return a Job, untrimmed; raises NotFound."""
        with cluster_errors():
            job: Manifest = await self._objects.get_namespaced_custom_object(
                **_JOBS, namespace=namespace, name=name, _request_timeout=TIMEOUT_SECONDS
            )
        return job

    async def list_jobs(self, namespace: str, *, label_selector: str) -> tuple[list[Manifest], str]:
        """Return all matching Jobs, trimmed, and the resourceVersion of the list."""
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
        """Delete the Job with this UID, and its pods after it; a Job that is gone is no error.

        Raises Conflict if the Job has changed since resource_version.
        """
        await self._delete(
            **_JOBS, namespace=namespace, name=name, uid=uid, resource_version=resource_version
        )

    async def patch_job_spec(
        self, namespace: str, name: str, spec: Mapping[str, Any], *, resource_version: str
    ) -> Manifest:
        """Change mutable fields of a Job's spec, and return the Job as it is stored then.

        Raises Conflict if the Job has changed since resource_version.
        """
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
        """Set a condition in a Job's status, and return the Job as it is stored then.

        Raises Conflict if the Job has changed since resource_version.
        """
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
        """Return at most `limit` WorkQueueJobs of a namespace; None: of all namespaces."""
        if namespace is None:
            request = self._objects.list_cluster_custom_object_without_preload_content
            where = {}
        else:
            request = self._objects.list_namespaced_custom_object_without_preload_content
            where = {"namespace": namespace}
        resources, _ = await list_objects(
            request, trim_work_queue_job, limit, **_WORK_QUEUE_JOBS, **where
        )
        return resources

    async def read_work_queue_job(self, namespace: str, name: str) -> Manifest | None:
        """Return a WorkQueueJob, or None if there is none of that name.

        It lists, because the operator has the right to list anyway, and because a read would answer
        NotFound also while the API server does not serve the kind. A list raises then.
        """
        resources, _ = await list_objects(
            self._objects.list_namespaced_custom_object_without_preload_content,
            trim_work_queue_job,
            1,
            **_WORK_QUEUE_JOBS,
            namespace=namespace,
            field_selector=f"metadata.name={name}",
        )
        return resources[0] if resources else None

    async def delete_work_queue_job(
        self, namespace: str, name: str, *, uid: str, resource_version: str
    ) -> None:
        """Delete the WorkQueueJob with this UID, and what it owns after it.

        Raises Conflict if it has changed since resource_version. One that is gone is no error.
        """
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
        """Merge into a WorkQueueJob's status; return the object, trimmed, as it is stored then.

        None removes a field. Raises Conflict if the object has changed since resource_version.
        """
        patched = await self._patch(
            self._objects.patch_namespaced_custom_object_status,
            **_WORK_QUEUE_JOBS,
            namespace=namespace,
            name=name,
            body={"metadata": {"resourceVersion": resource_version}, "status": status},
        )
        return trim_work_queue_job(patched)

    async def _delete(self, *, uid: str, resource_version: str, **where: str) -> None:
        # Without a propagation policy, deleting a Job leaves its pods behind.
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
        """Return at most `limit` matching pods, trimmed; None: all of them."""
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
        """Delete the pod with this UID; a pod that is gone is no error."""
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
        """Create an Event; raises JobNameConflict if it has a name, and that one is taken."""
        with cluster_errors():
            await self._objects.create_namespaced_custom_object(
                **_EVENTS, namespace=namespace, body=manifest, _request_timeout=TIMEOUT_SECONDS
            )
