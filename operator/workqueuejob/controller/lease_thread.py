"""Renews the Lease and answers probes on a thread of its own, beside the loop that works.

So a long step of that loop, such as taking in thousands of objects, neither loses the Lease nor
fails a probe. A process that is stopped, or a call that holds Python's lock, stops this thread too.
Then the Lease is lost, as it must be.

The thread ends the process when the Lease is lost, because a loop that stalls can't hear of it, and
when that loop has been silent for 30 seconds.
"""

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial

import structlog
from prometheus_client import generate_latest

from workqueuejob.cluster.connection import api_client
from workqueuejob.controller.http import serve_http
from workqueuejob.controller.pulse import BEAT_SECONDS, Pulse
from workqueuejob.controller.settings import Settings
from workqueuejob.errors import NotLeading
from workqueuejob.leadership.election import Leadership, LeaseStore
from workqueuejob.leadership.leases import LeaseAPI
from workqueuejob.metrics import expose_objects

LONGEST_SILENCE_SECONDS = 30.0
"""How long the loop that works may stall before the process ends."""
_LAST_WORDS_SECONDS = 1.0

EndProcess = Callable[..., None]
"""Takes a log's constant message, and `error`: why."""

OpenLeases = Callable[[Settings], AbstractAsyncContextManager[LeaseStore]]

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Questions:
    """What the probes and the metrics ask the loop that works; each is called there."""

    find_hanging: Callable[[], str | None]
    """Returns why a restart is due, or None."""

    is_watching: Callable[[], bool]
    """Returns whether the watches have started."""

    count_by_reason: Callable[[], Iterable[tuple[str, str]]]
    """Returns the namespace and the reason of Progressing of each WorkQueueJob."""


@dataclass(frozen=True, slots=True)
class _Started:
    """What other threads need of the thread."""

    leadership: Leadership
    loop: asyncio.AbstractEventLoop
    closing: asyncio.Event


def end_process(event: str, *, error: str) -> None:
    """Log why, and end the process with exit code 1, whatever its other threads do."""
    # The log may hang: its reader may be gone, or the loop that stalls may hold its lock.
    last = threading.Timer(_LAST_WORDS_SECONDS, os._exit, (1,))
    last.daemon = True
    last.start()
    _log.error(event, error=error)
    os._exit(1)


@asynccontextmanager
async def open_lease_api(settings: Settings) -> AsyncIterator[LeaseStore]:
    """Yield the Lease in the cluster, over a connection that nothing else uses."""
    async with api_client() as unguarded:
        yield LeaseAPI(unguarded, namespace=settings.lease_namespace, name=settings.lease_name)


class LeaseThread:
    """The thread that takes part in the election and serves HTTP."""

    def __init__(
        self,
        settings: Settings,
        pulse: Pulse,
        *,
        longest_silence_seconds: float = LONGEST_SILENCE_SECONDS,
        open_leases: OpenLeases = open_lease_api,
        end: EndProcess = end_process,
    ) -> None:
        """Prepare, in the loop that works. end: called when the process has to end."""
        self._open_leases = open_leases
        self._settings = settings
        self._pulse = pulse
        self._longest_silence_seconds = longest_silence_seconds
        self._end = end
        self._working_loop = asyncio.get_running_loop()
        self._leading = asyncio.Event()
        self._started: Future[_Started] = Future()
        self._objects: Iterable[tuple[str, str]] = ()

    @asynccontextmanager
    async def running(self, questions: Questions) -> AsyncIterator[None]:
        """Take part in the election, and serve HTTP, until the context ends.

        Raises OSError if the HTTP port is taken, and kubernetes' ConfigException if there is no way
        to the API server.
        """
        thread = threading.Thread(target=self._run, args=(questions,), name="lease", daemon=True)
        thread.start()
        started = await asyncio.wrap_future(self._started)
        hide = expose_objects(lambda: self._objects)
        try:
            yield
        finally:
            hide()
            started.loop.call_soon_threadsafe(started.closing.set)
            await asyncio.to_thread(thread.join)

    async def wait_until_leading(self) -> None:
        """Wait until this process leads."""
        await self._leading.wait()

    def require(self) -> None:
        """Raise NotLeading unless this process may write now."""
        self._started.result().leadership.require()

    async def release(self) -> None:
        """Write no more, and give up the Lease if this process holds it."""
        started = self._started.result()
        release = started.leadership.release()
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(release, started.loop))

    def _run(self, questions: Questions) -> None:
        try:
            asyncio.run(self._serve(questions))
        except BaseException as error:  # noqa: BLE001 - the thread's edge
            if self._started.done():
                self._end("the Lease's thread failed, process ends", error=repr(error))
            else:
                self._started.set_exception(error)

    async def _serve(self, questions: Questions) -> None:
        settings = self._settings
        async with self._open_leases(settings) as leases:
            leadership = Leadership(leases, settings.identity)
            async with serve_http(
                port=settings.http_port,
                # While the loop stalls, `_listen` decides.
                alive=partial(self._pulse.ask, questions.find_hanging, otherwise=None),
                ready=partial(self._find_unready, leadership, questions.is_watching),
                render=partial(self._render, questions.count_by_reason),
            ):
                closing = asyncio.Event()
                self._started.set_result(_Started(leadership, asyncio.get_running_loop(), closing))
                async with asyncio.TaskGroup() as tasks:
                    works = (self._elect(leadership), self._listen())
                    running = [tasks.create_task(work) for work in works]
                    await closing.wait()
                    for task in running:
                        task.cancel()

    async def _elect(self, leadership: Leadership) -> None:
        await leadership.acquire()
        self._working_loop.call_soon_threadsafe(self._leading.set)
        try:
            await leadership.hold()
        except NotLeading as error:
            # All that this process knows may be out of date; the next one starts without it.
            self._end("leadership lost, process ends", error=str(error))

    async def _listen(self) -> None:
        """End the process when the loop that works has been silent for too long.

        Looks are counted, because a clock also goes on while the whole process is stopped.
        """
        heard, silent_looks = self._pulse.beats, 0
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            silent_looks = silent_looks + 1 if self._pulse.beats == heard else 0
            heard = self._pulse.beats
            if silent_looks * BEAT_SECONDS >= self._longest_silence_seconds:
                seconds = f"{self._longest_silence_seconds:g} s"
                self._end(
                    "the event loop stalls, process ends",
                    error=f"a step of the event loop has not ended for {seconds}",
                )

    async def _find_unready(
        self, leadership: Leadership, is_watching: Callable[[], bool]
    ) -> str | None:
        """Return what keeps this replica from being ready, or None.

        A replica that stands by is ready when it can read the Lease: a rolling update waits for it
        before it ends the leader. A leader is ready when its watches have started.
        """
        if leadership.problem is None and leadership.leads:
            watches = await self._pulse.ask(is_watching, otherwise=True)
            return None if watches else "the watches have not started"
        return leadership.problem

    async def _render(self, count: Callable[[], Iterable[tuple[str, str]]]) -> bytes:
        self._objects = await self._pulse.ask(count, otherwise=self._objects)
        return generate_latest()
