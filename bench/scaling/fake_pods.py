"""Plays the programs in the pods of fake nodes: takes an item, holds it for a while, ends the pod.

A pod of the user's own program waits for its item without end, as `amqp-consume` does. A pod of the
worker ends after two seconds without an item. Each takes one item and leaves the report that the
worker would leave. Nothing runs: only the broker and the API server see a difference.
"""

import json
import queue
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import pika
import urllib3
from kubernetes import client

from tests.crowd import build_succeeded
from workqueuejob.contract.report import ItemCounts, write_report
from workqueuejob.names import NAME_LABEL, UID_LABEL, WORKER_LABEL

from .runs import SPACE

Manifest = dict[str, Any]

_IDLE_SECONDS = 2.0
_SLICE_SECONDS = 0.05
_WATCH_SECONDS = 3600


@dataclass
class _Pod:
    """A pod that runs."""

    name: str
    channel: Any
    waits_until: float | None
    """When it ends without an item; None: never."""
    tag: int | None = None
    """Of the item that it holds."""
    ends_at: float | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """A pod that has succeeded."""

    at: float
    """On the machine's clock."""
    settled: int
    """Items."""


class FakePods:
    """All pods of the runs, played by one thread that another one tells of new pods."""

    def __init__(
        self, api: client.ApiClient, broker: pika.ConnectionParameters, *, work_seconds: float
    ) -> None:
        """Prepare; `playing` plays.

        work_seconds: how long a pod holds its item.
        """
        self.ended: list[Ended] = []
        self._core: Any = client.CoreV1Api(api)
        self._broker = broker
        self._work_seconds = work_seconds
        self._events: queue.SimpleQueue[Manifest] = queue.SimpleQueue()
        self._pods: dict[str, _Pod] = {}
        self._stop = threading.Event()

    @property
    def settled(self) -> int:
        """How many items they have settled."""
        return sum(pod.settled for pod in self.ended)

    @contextmanager
    def playing(self) -> Iterator[None]:
        """Play for the duration of the block; at its end raises what has ended a thread before."""
        failures: list[BaseException] = []
        watcher, player = (
            threading.Thread(target=_report_failure, args=(work, failures), daemon=True)
            for work in (self._watch, self._play)
        )
        watcher.start()
        player.start()
        try:
            yield
        finally:
            self._stop.set()
            # The watcher waits for the next event, and ends with the API server.
            player.join()
            if failures:
                # It may be why the block has failed.
                raise failures[0]

    def _watch(self) -> None:
        """Pass on every pod of a run, for as long as there is an API server."""
        with suppress(urllib3.exceptions.HTTPError):
            while not self._stop.is_set():
                answer = self._core.list_namespaced_pod(
                    SPACE,
                    watch=True,
                    label_selector=UID_LABEL,
                    timeout_seconds=_WATCH_SECONDS,
                    _preload_content=False,
                )
                for line in answer:
                    self._events.put(json.loads(line))

    def _play(self) -> None:
        with closing(pika.BlockingConnection(self._broker)) as connection:
            while not self._stop.is_set():
                connection.process_data_events(time_limit=_SLICE_SECONDS)
                with suppress(queue.Empty):
                    while True:
                        self._take_in(connection, self._events.get_nowait())
                now = time.monotonic()
                for uid, pod in list(self._pods.items()):
                    if pod.ends_at is not None and pod.ends_at <= now:
                        self._end(uid, pod, settled=1)
                    elif pod.ends_at is None and pod.waits_until and pod.waits_until <= now:
                        self._end(uid, pod, settled=0)

    def _take_in(self, connection: Any, event: Manifest) -> None:
        manifest = event["object"]
        metadata = manifest["metadata"]
        uid = metadata["uid"]
        is_gone = event["type"] == "DELETED" or "deletionTimestamp" in metadata
        if is_gone and uid in self._pods:
            # What it held goes back to the queue.
            self._pods.pop(uid).channel.close()
        if is_gone or uid in self._pods or manifest["status"].get("phase") != "Running":
            return
        waits_until = time.monotonic() + _IDLE_SECONDS if _is_worker(metadata) else None
        pod = _Pod(metadata["name"], connection.channel(), waits_until)
        pod.channel.basic_qos(prefetch_count=1)
        taken = partial(self._hold, pod)
        self._pods[uid] = pod
        pod.channel.basic_consume(metadata["labels"][NAME_LABEL], taken)

    def _hold(self, pod: _Pod, _channel: Any, method: Any, _properties: Any, _body: bytes) -> None:
        pod.tag = method.delivery_tag
        pod.ends_at = time.monotonic() + self._work_seconds

    def _end(self, uid: str, pod: _Pod, *, settled: int) -> None:
        """Settle the item, if there is one, and let the pod succeed."""
        if pod.tag is not None:
            pod.channel.basic_ack(pod.tag)
        pod.channel.close()
        del self._pods[uid]
        status = build_succeeded("worker", write_report(ItemCounts(succeeded=settled)))
        # Who deleted it meanwhile has taken its item's end away as well.
        with suppress(client.ApiException):
            self._core.patch_namespaced_pod_status(
                pod.name, SPACE, {"status": status}, _preload_content=False
            )
        self.ended.append(Ended(time.time(), settled))


def _is_worker(metadata: Manifest) -> bool:
    return WORKER_LABEL in metadata["labels"]


def _report_failure(work: Any, failures: list[BaseException]) -> None:
    try:
        work()
    except BaseException as failure:  # noqa: BLE001 - the block raises it
        failures.append(failure)
