"""Decides when one WorkQueueJob is reconciled, for as long as it exists.

It reconciles when the watches or the meter bring news, when a delay is over, and after a failure
when its back-off is over. Each actor has a task while it reconciles, so that a broken WorkQueueJob
delays no other. Between two rounds it has no task: at most a timer, in the event loop's one heap.
"""

import asyncio
import contextlib
import contextvars
import time
from collections.abc import Callable, Mapping
from typing import Any

import structlog

from workqueuejob.api import WorkQueueJob
from workqueuejob.controller.reconciler import ObjectGone, Reconciler
from workqueuejob.controller.retrying import Retrying
from workqueuejob.controller.surroundings import Surroundings
from workqueuejob.errors import (
    ClusterError,
    ClusterUnavailable,
    Conflict,
    NotFound,
    ObservationTooOld,
)
from workqueuejob.metrics import RECONCILES

_log = structlog.get_logger(__name__)


class Actor:
    """One WorkQueueJob's loop of rounds, each of which is a reconcile."""

    def __init__(
        self,
        surroundings: Surroundings,
        resource: WorkQueueJob,
        *,
        on_gone: Callable[["Actor"], None] = lambda _: None,
    ) -> None:
        """Begin to reconcile.

        on_gone: called when a request shows that the object is gone, and no watch has shown it.
        """
        self._loop = asyncio.get_running_loop()
        self._on_gone = on_gone
        self._turns = surroundings.turns
        self._reconciler = Reconciler(
            surroundings,
            resource,
            on_measurement=self._wake_from_thread,
            wait_for_news=self._wait_for_news,
        )
        self._retrying = Retrying()
        self.round_began_at: float | None = None
        """When the present round began, on the monotonic clock; None between two rounds."""
        self._is_awake = self._is_edited = self._is_closed = False
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._news: asyncio.Future[None] | None = None
        self._context = contextvars.copy_context()
        """Of all its tasks, so that a write that was kept back keeps its turn in the budget."""
        self.wake()

    @property
    def resource(self) -> WorkQueueJob:
        """The latest known version of the object."""
        return self._reconciler.resource

    @property
    def is_of_other(self) -> bool:
        """Whether another installation of the operator works on the object, as last seen."""
        return self._reconciler.tenure.other is not None

    def update(self, resource: WorkQueueJob) -> None:
        """Take in a version of the object from the watch, and wake up if it is newer."""
        generation = self.resource.metadata.generation
        if self._reconciler.take_in(resource):
            if resource.metadata.generation != generation:
                self._is_edited = True
            self.wake()

    def put_job(self, manifest: Mapping[str, Any]) -> None:
        """Take in a Job from the watch, and wake up if it is this WorkQueueJob's and newer."""
        if self._reconciler.put_job(manifest):
            self.wake()

    def remove_job(self, manifest: Mapping[str, Any]) -> None:
        """Take in a Job's deletion from the watch, and wake up if the Job was known."""
        if self._reconciler.remove_job(manifest):
            self.wake()

    def put_pod(self, manifest: Mapping[str, Any], *, is_gone: bool) -> None:
        """Take in a pod with the worker's label, or its deletion; wake up if it is news."""
        if self._reconciler.observer.put_pod(manifest, is_gone=is_gone):
            self.wake()

    def wake(self) -> None:
        """Reconcile soon; after failures that last, only if the object was edited."""
        self._is_awake = True
        if self._news is not None and not self._news.done():
            self._news.set_result(None)
        if self._task is None and self._is_round_due:
            self._begin()

    async def close(self) -> None:
        """End it, and abandon the present round; another round can go on from any step."""
        self._is_closed = True
        self._stop_timer()
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        self._reconciler.close()

    @property
    def _is_round_due(self) -> bool:
        return self._is_edited if self._retrying.is_lasting else self._is_awake

    def _wake_from_thread(self) -> None:
        # The loop is closed when the operator ends before the meter's thread does.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self.wake)

    def _begin(self) -> None:
        """Start the task of the rounds that are due now."""
        self._stop_timer()
        if not self._is_closed:
            name = f"actor {self.resource.metadata.name}"
            self._task = self._loop.create_task(self._run(), name=name, context=self._context)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None

    async def _run(self) -> None:
        """Reconcile until no round is due, and set the timer for the next one."""
        metadata = self.resource.metadata
        structlog.contextvars.bind_contextvars(namespace=metadata.namespace, name=metadata.name)
        delay: float | None = 0.0
        try:
            while self._is_round_due or delay == 0.0:
                await self._turns.take()
                is_news, self._is_awake, self._is_edited = self._is_awake, False, False
                delay = await self._step(is_news=is_news)
        except ObjectGone:
            _log.info("the object is gone", reason="found by looking, not told by the watch")
            self._is_closed = True
            self._reconciler.close()
            self._on_gone(self)
        finally:
            self._task = None
            if delay is not None and not self._is_closed:
                self._timer = self._loop.call_later(delay, self._begin)

    async def _wait_for_news(self, seconds: float) -> None:
        """Wait within a round until there is news, for the seconds at most.

        The news may be for the steps before, so another round follows this one.
        """
        self._news = self._loop.create_future()
        # Not wait_for: before Python 3.12 it may swallow a cancellation.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._news
        self._news = None
        self._is_awake = True
        await self._turns.take()

    async def _step(self, *, is_news: bool) -> float | None:
        """Reconcile once; return the seconds after which to reconcile without news, or None."""
        self.round_began_at = time.monotonic()
        try:
            with RECONCILES.time():
                delay = await self._reconciler.reconcile(
                    is_repeated=self._retrying.is_repeated, is_news=is_news
                )
        except Conflict as conflict:
            # Another client wrote in between. The watch brings the object; the Jobs are listed.
            self._reconciler.observer.forget_list()
            return self._retrying.meet_conflict(conflict)
        except ObservationTooOld as error:
            self._reconciler.observer.demand_recent()
            return self._retrying.meet_age(error)
        except NotFound as error:
            return await self._look_for_object(error)
        except ObjectGone:
            raise
        except ClusterError as error:
            if isinstance(error, ClusterUnavailable):
                self._reconciler.execution.forget_refusals()
            return self._retrying.meet(error.reason, error)
        except Exception as error:  # noqa: BLE001 - one object's bug must not end its neighbours
            return self._retrying.meet(type(error).__name__, error)
        finally:
            self.round_began_at = None
        self._retrying.succeed()
        return delay

    async def _look_for_object(self, error: NotFound) -> float:
        """Find out whether the object itself is gone; return the seconds to wait if it is not.

        A watch may miss its deletion. Raises ObjectGone.
        """
        self._reconciler.observer.forget_list()
        try:
            await self._reconciler.reread()
        except ClusterError as unknown:
            return self._retrying.meet(unknown.reason, unknown)
        return self._retrying.meet_conflict(error)
