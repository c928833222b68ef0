"""Runs the operator's process until it is told to stop or no longer leads."""

import asyncio
import contextlib
import signal
import socket
import time
from collections.abc import Coroutine
from functools import partial
from typing import Any, cast

import kopf
import structlog

from workqueuejob.brokers.references import connect
from workqueuejob.cluster.api import ClusterAPI
from workqueuejob.cluster.connection import api_client
from workqueuejob.controller.http import serve_http
from workqueuejob.controller.operator import Operator, build_kopf_settings, watched_namespaces
from workqueuejob.controller.secret_reads import SecretReads
from workqueuejob.controller.settings import Settings
from workqueuejob.controller.surroundings import Surroundings
from workqueuejob.controller.turns import Turns
from workqueuejob.errors import ClusterError
from workqueuejob.leadership.election import Leadership
from workqueuejob.leadership.leases import LeaseAPI
from workqueuejob.measuring.meter import Meter
from workqueuejob.metrics import MeasurementMetrics, expose_objects
from workqueuejob.planning.pods.job_manifest import WorkerImage

_log = structlog.get_logger(__name__)

_STUCK_SECONDS = 120.0
_DEFINITION_RETRY_SECONDS = 1.0


async def run_operator(settings: Settings) -> None:
    """Stand by until this process leads, then work until SIGTERM or SIGINT.

    Raises NotLeading when the Lease is lost, and what ends kopf or keeps the API server from us.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_number, stop.set)
    async with api_client() as unguarded:
        leases = LeaseAPI(unguarded, namespace=settings.lease_namespace, name=settings.lease_name)
        leadership = Leadership(leases, settings.identity)
        turns = Turns()
        async with api_client(guard=leadership.require, pause=turns.take) as client:
            process = _Process(settings, leadership, ClusterAPI(client), stop, turns=turns)
            await process.run()


class _Process:
    """What runs from the first connection to the API server to the last."""

    def __init__(
        self,
        settings: Settings,
        leadership: Leadership,
        cluster: ClusterAPI,
        stop: asyncio.Event,
        *,
        turns: Turns,
    ) -> None:
        self._settings = settings
        self._leadership = leadership
        self._cluster = cluster
        self._stop = stop
        self._watching = asyncio.Event()
        self._meter = Meter(
            settings.poll_interval_seconds,
            connect=partial(connect, allowed_hosts=settings.allowed_hosts),
            observer=MeasurementMetrics(),
        )
        self._operator = Operator(
            Surroundings(
                cluster=cluster,
                secrets=SecretReads(cluster),
                meter=self._meter,
                instance=socket.gethostname(),
                worker_image=WorkerImage(settings.worker_image, settings.worker_image_pull_policy),
                allowed_hosts=settings.allowed_hosts,
                turns=turns,
            )
        )

    async def run(self) -> None:
        """Serve, stand by, lead, and give the Lease up."""
        hide = expose_objects(self._operator.count_by_reason)
        try:
            async with serve_http(
                port=self._settings.http_port, alive=self._find_stuck, ready=self._find_unready
            ):
                _log.info(
                    "operator started",
                    namespaces=list(self._settings.namespaces) or "all",
                    identity=self._settings.identity,
                )
                await _finish_first(self._leadership.acquire(), self._stop.wait())
                try:
                    if not self._stop.is_set():
                        await _finish_first(self._work(), self._leadership.hold())
                finally:
                    await self._leadership.release()
        finally:
            hide()
            self._meter.close()
            _log.info("operator stopped")

    async def _work(self) -> None:
        """Watch and reconcile until told to stop; nothing is under way afterwards."""
        await _wait_for_definition(self._cluster, self._settings, self._stop)
        registry = self._operator.build_registry()
        kopf.on.cleanup(registry=registry)(self._hand_over)
        try:
            await kopf.operator(
                registry=registry,
                settings=build_kopf_settings(),
                standalone=True,
                # Its default asks for the user's name, which a numeric user has none of.
                identity=cast("Any", self._settings.identity),
                ready_flag=self._watching,
                stop_flag=self._stop,
                **watched_namespaces(self._settings),
            )
        finally:
            await self._operator.close()

    async def _hand_over(self, **_: Any) -> None:
        """Let another replica lead now: kopf goes on to wait seconds for whatever has not ended."""
        await self._operator.close()
        await self._leadership.release()

    def _find_unready(self) -> str | None:
        """Return what is missing: the Lease's latest state or, in the leader, the watches.

        A replica that stands by is ready: a rolling update waits for it before it ends the leader.
        """
        if self._leadership.problem is None and self._leadership.leads:
            return None if self._watching.is_set() else "the watches have not started"
        return self._leadership.problem

    def _find_stuck(self) -> str | None:
        """Return what has been under way for so long that only a restart will help."""
        now = time.monotonic()
        for actor in self._operator.actors:
            if actor.busy_since is not None and now - actor.busy_since > _STUCK_SECONDS:
                metadata = actor.resource.metadata
                return f"reconciling {metadata.namespace}/{metadata.name} does not end"
        if self._meter.late_seconds() > _STUCK_SECONDS:
            return "nobody looks for measurements that do not end"
        return None


async def _finish_first(*works: Coroutine[Any, Any, Any]) -> None:
    """Run all until one has ended, and end the others; raises what it was ended by."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()


async def _wait_for_definition(
    cluster: ClusterAPI, settings: Settings, stop: asyncio.Event
) -> None:
    """Wait until WorkQueueJobs can be listed.

    kopf looks once which resources there are, and would watch nothing for ever if the
    CustomResourceDefinition, or our role, came a moment after us.
    """
    namespace = settings.namespaces[0] if settings.namespaces else None
    told = False
    while not stop.is_set():
        try:
            await cluster.list_work_queue_jobs(namespace, limit=1)
        except ClusterError as error:
            if not told:
                told = True
                _log.warning("WorkQueueJobs can't be listed yet", error=str(error))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_DEFINITION_RETRY_SECONDS):
                    await stop.wait()
        else:
            return
