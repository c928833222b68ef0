"""Requests that tests send to the API server often, because kubectl takes longer to start."""

import json
from functools import lru_cache
from typing import Any

from kubernetes import client, config

from dev.environment import Cluster

from .objects import Manifest

_WORK_QUEUE_JOBS = {"group": "wqj.dev", "version": "v1alpha1", "plural": "workqueuejobs"}
_JOBS = {"group": "batch", "version": "v1", "plural": "jobs"}


@lru_cache
def connect(cluster: Cluster) -> "Api":
    """Return the one client of this process."""
    settings = cluster.kubectl("config", "view", "--minify", "--flatten", "--raw", "-o", "json")
    load: Any = config.new_client_from_config_dict
    return Api(load(json.loads(settings.stdout)))


class Api:
    """Namespaces, and the objects in them as they are."""

    def __init__(self, api: client.ApiClient) -> None:
        self.client = api
        self._objects: Any = client.CustomObjectsApi(api)
        self._core: Any = client.CoreV1Api(api)

    def create_namespace(self, manifest: Manifest) -> None:
        self._core.create_namespace(manifest)

    def delete_namespace(self, namespace: str) -> None:
        """Delete a namespace without waiting for it, and before it its WorkQueueJobs and Jobs.

        Kubernetes deletes a namespace's pods first. It would wait without end for a Job's failed
        pod that waits for its replacement.
        """
        for kind in (_WORK_QUEUE_JOBS, _JOBS):
            answer = self._objects.delete_collection_namespaced_custom_object(
                **kind, namespace=namespace, propagation_policy="Background",
                _preload_content=False,
            )  # fmt: skip
            # Not decoded, because objects of some tests are nested too deeply.
            answer.read()
        self._core.delete_namespace(namespace)

    def work_queue_job(self, namespace: str, name: str) -> Manifest:
        resource: Manifest = self._objects.get_namespaced_custom_object(
            **_WORK_QUEUE_JOBS, namespace=namespace, name=name
        )
        return resource

    def jobs(self, namespace: str) -> list[Manifest]:
        listed = self._objects.list_namespaced_custom_object(**_JOBS, namespace=namespace)
        return _list_items(listed)

    def pods(self, namespace: str, *, label_selector: str) -> list[Manifest]:
        answer = self._core.list_namespaced_pod(
            namespace, label_selector=label_selector, _preload_content=False
        )
        return _list_items(json.loads(answer.data))


def _list_items(listed: Manifest) -> list[Manifest]:
    items: list[Manifest] = listed["items"]
    return items
