"""Reads objects from the API server many times a second; kubectl would take as long to start."""

import json
from functools import lru_cache
from typing import Any

from kubernetes import client, config

from deploy.environment import Cluster

from .objects import Manifest


@lru_cache
def connect(cluster: Cluster) -> "Reader":
    """Return the one reader of this process."""
    settings = cluster.kubectl("config", "view", "--minify", "--flatten", "--raw", "-o", "json")
    load: Any = config.new_client_from_config_dict
    return Reader(load(json.loads(settings.stdout)))


class Reader:
    """Objects of a namespace, as they are."""

    def __init__(self, api: client.ApiClient) -> None:
        self._objects: Any = client.CustomObjectsApi(api)
        self._core: Any = client.CoreV1Api(api)

    def work_queue_job(self, namespace: str, name: str) -> Manifest:
        found: Manifest = self._objects.get_namespaced_custom_object(
            "wqj.dev", "v1alpha1", namespace, "workqueuejobs", name
        )
        return found

    def jobs(self, namespace: str) -> list[Manifest]:
        listed = self._objects.list_namespaced_custom_object("batch", "v1", namespace, "jobs")
        return _list_items(listed)

    def pods(self, namespace: str, *, label_selector: str) -> list[Manifest]:
        answer = self._core.list_namespaced_pod(
            namespace, label_selector=label_selector, _preload_content=False
        )
        return _list_items(json.loads(answer.data))


def _list_items(listed: Manifest) -> list[Manifest]:
    items: list[Manifest] = listed["items"]
    return items
