"""Runs the operator's process until it is asked to stop or leads no more.

Joins the election, the watches, the meter and the HTTP endpoints. Decides nothing about a run.
"""

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

_HANGING_SECONDS = 120.0
_DEFINITION_RETRY_SECONDS = 1.0


async def run_operator(settings: Settings) -> None:
    """Stand by until this process leads, then work until SIGTERM or SIGINT.

    Raises NotLeading when the Lease is lost, OSError when the HTTP port is taken, what ends kopf,
    and kubernetes' ConfigException when there is no way to the API server.
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
    """The parts of the process that need the API server."""

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
                port=self._settings.http_port, alive=self._find_hanging, ready=self._find_unready
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
        """Watch and reconcile until the stop flag is set; end all actors before returning."""
        await _wait_for_definition(self._cluster, self._settings, self._stop)
        registry = self._operator.build_registry()
        kopf.on.cleanup(registry=registry)(self._hand_over)
        try:
            await kopf.operator(
                registry=registry,
                settings=build_kopf_settings(),
                standalone=True,
                # By default kopf uses the user's name, which a numeric user does not have.
                identity=cast("Any", self._settings.identity),
                ready_flag=self._watching,
                stop_flag=self._stop,
                **watched_namespaces(self._settings),
            )
        finally:
            await self._operator.close()

    async def _hand_over(self, **_: Any) -> None:
        """Let another replica lead now, because kopf waits for seconds before it ends."""
        await self._operator.close()
        await self._leadership.release()

    def _find_unready(self) -> str | None:
        """Return what keeps this replica from being ready, or None.

        A replica that stands by is ready when it can read the Lease: a rolling update waits for it
        before it ends the leader. A leader is ready when its watches have started.
        """
        if self._leadership.problem is None and self._leadership.leads:
            return None if self._watching.is_set() else "the watches have not started"
        return self._leadership.problem

    def _find_hanging(self) -> str | None:
        """Return what has lasted for more than _HANGING_SECONDS, so that a restart is due."""
        now = time.monotonic()
        for actor in self._operator.actors:
            if actor.round_began_at is not None and now - actor.round_began_at > _HANGING_SECONDS:
                metadata = actor.resource.metadata
                return f"reconciling {metadata.namespace}/{metadata.name} does not end"
        if self._meter.late_seconds() > _HANGING_SECONDS:
            return "nobody looks for measurements that do not end"
        return None


async def _finish_first(*works: Coroutine[Any, Any, Any]) -> None:
    """Run all until one has ended, then cancel the others; raises what the ended one raised."""
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

    kopf lists the kinds of resources only once. If the CustomResourceDefinition or the operator's
    role were created after that, it would watch nothing.
    """
    namespace = settings.namespaces[0] if settings.namespaces else None
    is_logged = False
    while not stop.is_set():
        try:
            await cluster.list_work_queue_jobs(namespace, limit=1)
        except ClusterError as error:
            if not is_logged:
                is_logged = True
                _log.warning("WorkQueueJobs can't be listed yet", error=str(error))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_DEFINITION_RETRY_SECONDS):
                    await stop.wait()
        else:
            return
