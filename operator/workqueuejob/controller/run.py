"""Runs the operator's process until it is told to stop."""

import asyncio
import contextlib
import signal
import socket
import time
from typing import Any, cast

import kopf
import structlog

from workqueuejob.cluster.api import ClusterAPI
from workqueuejob.cluster.connection import api_client
from workqueuejob.cluster.decoding import read_deep_json
from workqueuejob.controller.actor import Surroundings
from workqueuejob.controller.http import serve_http
from workqueuejob.controller.operator import Operator, build_kopf_settings, watched_namespaces
from workqueuejob.controller.settings import Settings
from workqueuejob.errors import ClusterError
from workqueuejob.metrics import MeasurementMetrics, expose_objects
from workqueuejob.planning.job_manifest import WorkerImage
from workqueuejob.queues.meter import Meter
from workqueuejob.queues.references import connect

_log = structlog.get_logger(__name__)

_STUCK_SECONDS = 120.0
_DEFINITION_RETRY_SECONDS = 1.0


async def run_operator(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT; raises what ends kopf or keeps the API server from us."""
    read_deep_json()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_number, stop.set)
    ready = asyncio.Event()
    meter = Meter(settings.poll_interval_seconds, connect=connect, observer=MeasurementMetrics())
    async with api_client() as client:
        instance = socket.gethostname()
        surroundings = Surroundings(
            cluster=ClusterAPI(client),
            meter=meter,
            instance=instance,
            worker_image=WorkerImage(settings.worker_image, settings.worker_image_pull_policy),
        )
        operator = Operator(surroundings)
        hide = expose_objects(operator.count_by_reason)

        def find_stuck() -> str | None:
            return _find_stuck(operator, meter.overdue_seconds())

        try:
            async with serve_http(
                port=settings.http_port,
                alive=find_stuck,
                ready=lambda: None if ready.is_set() else "the watches have not started",
            ):
                _log.info("operator started", namespaces=list(settings.namespaces) or "all")
                await _wait_for_definition(surroundings.cluster, settings, stop)
                await kopf.operator(
                    registry=operator.build_registry(),
                    settings=build_kopf_settings(),
                    standalone=True,
                    # Its default asks for the user's name, which a numeric user has none of.
                    identity=cast("Any", instance),
                    ready_flag=ready,
                    stop_flag=stop,
                    **watched_namespaces(settings),
                )
        finally:
            hide()
            await operator.close()
            meter.close()
            _log.info("operator stopped")


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


def _find_stuck(operator: Operator, meter_overdue_seconds: float) -> str | None:
    """Return what has been under way for so long that only a restart will help."""
    now = time.monotonic()
    for actor in operator.actors:
        if actor.busy_since is not None and now - actor.busy_since > _STUCK_SECONDS:
            metadata = actor.resource.metadata
            return f"reconciling {metadata.namespace}/{metadata.name} does not end"
    if meter_overdue_seconds > _STUCK_SECONDS:
        return "a measurement does not end"
    return None
