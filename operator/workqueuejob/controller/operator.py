"""Joins kopf's watches with the actors, one for each WorkQueueJob.

It uses only kopf's `on.event` handlers, because those write no annotations and add no finalizers.
So a WorkQueueJob can be deleted while the operator is down.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any

import aiohttp
import kopf
import pydantic
import structlog

from workqueuejob.api import WorkQueueJob
from workqueuejob.cluster.unreadable import Unreadable
from workqueuejob.cluster.watching import PAGE_MAX_OBJECTS, WatchReader, build_response_class
from workqueuejob.controller.actor import Actor
from workqueuejob.controller.settings import Settings
from workqueuejob.controller.surroundings import Surroundings
from workqueuejob.metrics import show_unreadable
from workqueuejob.names import GROUP, PLURAL, UID_LABEL, VERSION, WORKER_LABEL
from workqueuejob.planning.observing.ownership import read_owner_uid
from workqueuejob.planning.rules.installations import OPERATOR_CONFLICT
from workqueuejob.planning.verdict import ConditionType, find_condition

_log = structlog.get_logger(__name__)


class Operator:
    """All actors, and the handlers that feed them."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._surroundings = surroundings
        self._reader = WatchReader(
            unreadable=Unreadable(on_change=show_unreadable), pause=surroundings.turns.take
        )
        self._actors: dict[str, Actor] = {}
        self._uids: dict[tuple[str, str], str] = {}
        self._unreadable: set[str] = set()

    @property
    def actors(self) -> tuple[Actor, ...]:
        """The actors, in no order."""
        return tuple(self._actors.values())

    def count_by_reason(self) -> list[tuple[str, str]]:
        """Return namespace and Progressing reason of each WorkQueueJob, for the metrics."""
        return [(actor.resource.metadata.namespace, _reason(actor)) for actor in self.actors]

    async def on_work_queue_job(self, *, event: Mapping[str, Any], **_: Any) -> None:
        """Start, feed or end the object's actor."""
        await self._surroundings.turns.take()
        manifest, kind = event["object"], event.get("type")
        uid = manifest["metadata"]["uid"]
        if kind == "DELETED":
            self._unreadable.discard(uid)
            await self._end_actor(uid)
            return
        try:
            resource = WorkQueueJob.from_manifest(manifest)
        except pydantic.ValidationError as error:
            # This version's CRD refuses such an object; an older or newer one may accept it.
            if uid not in self._unreadable:
                self._unreadable.add(uid)
                _log.error(
                    "unreadable WorkQueueJob ignored; install the CRD of this version",
                    name=manifest["metadata"]["name"],
                    errors=error.error_count(),
                )
            return
        known = self._actors.get(uid)
        if known is not None:
            known.update(resource)
            return
        name = (resource.metadata.namespace, resource.metadata.name)
        if name in self._uids:
            # The former object of this name must be gone, although no event has shown it.
            await self._end_actor(self._uids[name])
        self._uids[name] = uid
        self._actors[uid] = Actor(self._surroundings, resource, on_gone=self._forget)

    async def _end_actor(self, uid: str) -> None:
        actor = self._actors.get(uid)
        if actor is not None:
            self._forget(actor)
            await actor.close()

    def _forget(self, actor: Actor) -> None:
        """Drop the actor of an object that is gone."""
        metadata = actor.resource.metadata
        name = (metadata.namespace, metadata.name)
        if self._actors.get(metadata.uid) is actor:
            del self._actors[metadata.uid]
        if self._uids.get(name) == metadata.uid:
            del self._uids[name]

    async def on_job(self, *, event: Mapping[str, Any], **_: Any) -> None:
        """Pass a Job, or its deletion, to its owner's actor."""
        await self._surroundings.turns.take()
        manifest = event["object"]
        actor = self._actors.get(read_owner_uid(manifest))
        if actor is None:
            return
        if event.get("type") == "DELETED":
            actor.remove_job(manifest)
        else:
            actor.put_job(manifest)

    async def on_pod(self, *, event: Mapping[str, Any], **_: Any) -> None:
        """Pass a worker's pod, or its deletion, to its WorkQueueJob's actor."""
        await self._surroundings.turns.take()
        manifest = event["object"]
        labels = manifest["metadata"].get("labels") or {}
        actor = self._actors.get(labels.get(UID_LABEL, ""))
        if actor is not None:
            actor.put_pod(manifest, is_gone=event.get("type") == "DELETED")

    async def close(self) -> None:
        """End all actors."""
        await asyncio.gather(*(actor.close() for actor in self.actors))

    def build_registry(self) -> kopf.OperatorRegistry:
        """Return the handlers for kopf."""
        registry = kopf.OperatorRegistry()
        kopf.on.login(registry=registry)(log_in_through(self._reader))
        kopf.on.event(GROUP, VERSION, PLURAL, registry=registry)(self.on_work_queue_job)
        kopf.on.event("batch", "v1", "jobs", labels={UID_LABEL: kopf.PRESENT}, registry=registry)(
            self.on_job
        )
        kopf.on.event("v1", "pods", labels={WORKER_LABEL: kopf.PRESENT}, registry=registry)(
            self.on_pod
        )
        return registry


def log_in_through(reader: WatchReader) -> Callable[..., Awaitable[kopf.AiohttpSession | None]]:
    """Return kopf's login handler: with kopf's usual credentials, and answers read by `reader`."""

    async def log_in(**kwargs: Any) -> kopf.AiohttpSession | None:
        login = kopf.login_with_service_account(**kwargs) or kopf.login_with_kubeconfig(**kwargs)
        if login is None:
            return None
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=login.as_ssl_context()),
            headers=login.as_http_headers(),
            proxy=login.proxy_url,
            trust_env=login.trust_env,
            response_class=build_response_class(reader),
        )
        return kopf.AiohttpSession(
            server=login.server,
            default_namespace=login.default_namespace,
            aiohttp_session=session,
        )

    return log_in


def build_kopf_settings(excluded_namespaces: Collection[str] = ()) -> kopf.OperatorSettings:
    """Return kopf's settings, with which it watches and posts no Events.

    excluded_namespaces: the API server leaves out their objects.
    """
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.posting.level = logging.CRITICAL
    settings.scanning.disabled = True
    settings.watching.label_selectors["batch", "jobs"] = UID_LABEL
    settings.watching.label_selectors["v1", "pods"] = WORKER_LABEL
    if excluded_namespaces:
        terms = [f"metadata.namespace!={name}" for name in sorted(excluded_namespaces)]
        for group, plural in ((GROUP, PLURAL), ("batch", "jobs"), ("v1", "pods")):
            settings.watching.field_selectors[group, plural] = ",".join(terms)
    settings.watching.chunk_size = PAGE_MAX_OBJECTS
    settings.watching.server_timeout = 300
    settings.watching.connect_timeout = 10
    settings.networking.request_timeout = 30
    # kopf keeps a task and the object for so long after each event.
    settings.queueing.idle_timeout = 0.5
    return settings


def watched_namespaces(settings: Settings) -> dict[str, Any]:
    """Return kopf's keyword arguments for the namespaces to watch."""
    if settings.namespaces:
        return {"namespaces": list(settings.namespaces)}
    return {"clusterwide": True}


def _reason(actor: Actor) -> str:
    if actor.is_of_other:
        return OPERATOR_CONFLICT
    condition = find_condition(actor.resource.status.conditions, ConditionType.PROGRESSING)
    return condition.reason if condition else "Unknown"
