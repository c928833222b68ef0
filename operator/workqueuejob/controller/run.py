"""Runs the operator's process until it is asked to stop or leads no more.

Joins the Lease's thread, the watches and the meter. Decides nothing about a run.
"""

import asyncio
import signal
import socket
import time
from collections.abc import Coroutine
from typing import Any, cast

import kopf
import structlog

from workqueuejob.brokers.references import connect
from workqueuejob.cluster.api import ClusterAPI
from workqueuejob.cluster.budget import RequestBudget
from workqueuejob.cluster.connection import api_client
from workqueuejob.cluster.observation import require_recent
from workqueuejob.controller.definition import wait_for_definition
from workqueuejob.controller.job_lists import JobLists
from workqueuejob.controller.lease_thread import LONGEST_SILENCE_SECONDS, LeaseThread, Questions
from workqueuejob.controller.operator import Operator, build_kopf_settings, watched_namespaces
from workqueuejob.controller.pulse import Pulse
from workqueuejob.controller.secret_reads import SecretReads
from workqueuejob.controller.settings import Settings
from workqueuejob.controller.surroundings import Surroundings
from workqueuejob.controller.turns import Turns
from workqueuejob.measuring.meter import Meter
from workqueuejob.metrics import MeasurementMetrics, count_wait
from workqueuejob.planning.pods.job_manifest import WorkerImage

_log = structlog.get_logger(__name__)

_HANGING_SECONDS = 120.0


async def run_operator(
    settings: Settings, *, longest_silence_seconds: float = LONGEST_SILENCE_SECONDS
) -> None:
    """Stand by until this process leads, then work until SIGTERM or SIGINT.

    The process ends with exit code 1 when the Lease is lost, and when no task of this loop has run
    for `longest_silence_seconds`. Raises OSError when the HTTP port is taken, what ends kopf, and
    kubernetes' ConfigException when there is no way to the API server.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_number, stop.set)
    pulse, turns = Pulse(), Turns()
    lease = LeaseThread(settings, pulse, longest_silence_seconds=longest_silence_seconds)

    def require_current() -> None:
        lease.require()
        require_recent()

    budget = RequestBudget(on_wait=count_wait)
    async with api_client(guard=require_current, pause=turns.take, budget=budget) as client:
        cluster = ClusterAPI(client)
        surroundings = Surroundings(
            cluster=cluster,
            secrets=SecretReads(cluster),
            job_lists=JobLists(cluster),
            meter=Meter(
                settings.poll_interval_seconds,
                connect=connect,
                observer=MeasurementMetrics(),
            ),
            instance=socket.gethostname(),
            worker_image=WorkerImage(settings.worker_image, settings.worker_image_pull_policy),
            allowed_hosts=settings.allowed_hosts,
            installation=settings.installation,
            turns=turns,
            budget=budget,
            stalls=pulse.stalls,
        )
        process = _Process(settings, surroundings, lease, stop)
        await _finish_first(process.run(), pulse.beat())


class _Process:
    """The parts of the process that need the API server."""

    def __init__(
        self,
        settings: Settings,
        surroundings: Surroundings,
        lease: LeaseThread,
        stop: asyncio.Event,
    ) -> None:
        self._settings = settings
        self._lease = lease
        self._cluster, self._meter = surroundings.cluster, surroundings.meter
        self._stop = stop
        self._watching = asyncio.Event()
        self._operator = Operator(surroundings)

    async def run(self) -> None:
        """Serve, stand by, lead, and give the Lease up."""
        questions = Questions(
            find_hanging=self._find_hanging,
            is_watching=self._watching.is_set,
            count_by_reason=self._operator.count_by_reason,
        )
        try:
            async with self._lease.running(questions):
                _log.info(
                    "operator started",
                    namespaces=list(self._settings.namespaces) or "all",
                    excluded_namespaces=list(self._settings.excluded_namespaces),
                    installation=self._settings.installation.name,
                    identity=self._settings.identity,
                )
                await _finish_first(self._lease.wait_until_leading(), self._stop.wait())
                try:
                    if not self._stop.is_set():
                        await self._work()
                finally:
                    await self._lease.release()
        finally:
            self._meter.close()
            _log.info("operator stopped")

    async def _work(self) -> None:
        """Watch and reconcile until the stop flag is set; end all actors before returning."""
        await wait_for_definition(self._cluster, self._settings.namespaces, self._stop)
        registry = self._operator.build_registry()
        kopf.on.cleanup(registry=registry)(self._hand_over)
        try:
            await kopf.operator(
                registry=registry,
                settings=build_kopf_settings(self._settings.excluded_namespaces),
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
        await self._lease.release()

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
