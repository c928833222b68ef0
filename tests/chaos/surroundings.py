"""What a run needs on the cluster: a namespace with two brokers, and eyes on its Jobs."""

import json
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from dev.environment import Cluster
from dev.workspaces.objects import a_namespace
from dev.workspaces.workspace import poll

from .evidence import Wave
from .lines import (
    Line,
    RabbitMQLine,
    RedisLine,
    Refused,
    look_into_rabbitmq,
    look_into_redis,
    open_rabbitmq,
)
from .load import LOADS, QUORUM, UNTIL_DRAINED, Load, Manifest
from .schedule import BROKERS, Target

BROKERS_MANIFEST = Path(__file__).with_name("brokers.yaml")
_WAVE_COLUMNS = (
    r'{.metadata.uid}{" "}{.metadata.labels.wqj\.dev/name}{" "}{.metadata.labels.wqj\.dev/wave}'
)
_PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Surroundings:
    """One run's namespace. hosts: the brokers' Service addresses, which this machine reaches."""

    cluster: Cluster
    namespace: str
    hosts: Mapping[Target, str]
    broker_uids: Mapping[Target, str]

    def apply(self, *manifests: Manifest) -> None:
        listed = {"apiVersion": "v1", "kind": "List", "items": manifests}
        self.cluster.apply(json.dumps(listed), namespace=self.namespace)

    def list(self, kind: str) -> list[Manifest]:
        """Return a kind's objects; raises CalledProcessError while the API server is away."""
        words = ("get", "-n", self.namespace, kind, "-o", "json", "--request-timeout=5s")
        items: list[Manifest] = json.loads(self.cluster.kubectl(*words).stdout)["items"]
        return items

    def wind_down(self, load: Load) -> None:
        """Let a Continuous run end; raises CalledProcessError while the API server is away."""
        patch = json.dumps({"spec": UNTIL_DRAINED})
        words = ("patch", "wqj", load.name, "-n", self.namespace, "--type=merge", "-p", patch)
        self.cluster.kubectl(*words, "--request-timeout=5s")

    def declare_queues(self) -> None:
        """Make every queue of RabbitMQ, and those for dead letters; Redis' keys come by writing."""
        channel = open_rabbitmq(self.hosts[Target.RABBITMQ])
        for load in LOADS:
            if load.broker is Target.RABBITMQ:
                arguments = {"x-queue-type": "quorum"} if load.name in QUORUM else {}
                channel.queue_declare(load.name, durable=True, arguments=arguments)
                channel.queue_declare(load.dead_letter, durable=True)
        channel.connection.close()

    def open_line(self, load: Load) -> Line:
        """Return a producer's connection; raises Refused."""
        host = self.hosts[load.broker]
        if load.broker is Target.RABBITMQ:
            return RabbitMQLine(host, load.name)
        return RedisLine(host, load.name, is_stream="stream" in load.source["redis"])

    def look_into(self, load: Load) -> tuple[int, tuple[str, ...]]:
        """Return how many items are left in a queue, and its dead letters' items.

        Raises Refused.
        """
        host = self.hosts[load.broker]
        if load.broker is Target.RABBITMQ:
            return look_into_rabbitmq(host, load.name, load.dead_letter)
        return look_into_redis(host, load.name, load.dead_letter)


class JobWatch:
    """Writes down every Job that was ever seen, while its context lasts.

    The API server is killed meanwhile: then the watch begins again, with a list.
    """

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self._command = (
            *cluster.kubectl_command, "get", "jobs", "-n", namespace, "--watch",
            "-o", f'jsonpath={_WAVE_COLUMNS}{{"\\n"}}',
        )  # fmt: skip
        self._seen: set[Wave] = set()
        self._ended = threading.Event()
        self._process: subprocess.Popen[str] | None = None
        self._thread = threading.Thread(target=self._watch, name="watch of Jobs", daemon=True)

    @property
    def seen(self) -> tuple[Wave, ...]:
        return tuple(sorted(self._seen, key=str))

    def note(self, jobs: Sequence[Manifest]) -> None:
        """Add what a list has shown."""
        for job in jobs:
            labels = job["metadata"]["labels"]
            self._note(job["metadata"]["uid"], labels["wqj.dev/name"], labels["wqj.dev/wave"])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        if self._process is not None:
            self._process.terminate()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.is_set():
            with subprocess.Popen(
                self._command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            ) as self._process:
                assert self._process.stdout is not None
                for line in self._process.stdout:
                    self._note(*line.split())
            self._ended.wait(0.3)

    def _note(self, uid: str, queue: str, wave: str) -> None:
        self._seen.add(Wave(uid, queue, int(wave)))


@contextmanager
def open_surroundings(cluster: Cluster, namespace: str) -> Iterator[Surroundings]:
    """Make the namespace and the brokers, and wait for them; take all down again."""
    cluster.kubectl("create", "-f", "-", stdin=json.dumps(a_namespace(namespace)))
    try:
        cluster.apply(BROKERS_MANIFEST.read_text(), namespace=namespace)
        cluster.kubectl(
            "wait", "-n", namespace, "--for=condition=Ready", "pods", "--all", "--timeout=120s"
        )
        surroundings = Surroundings(
            cluster,
            namespace,
            hosts={one: _host(cluster, namespace, one) for one in BROKERS},
            broker_uids={one: _uid(cluster, namespace, one) for one in BROKERS},
        )
        poll(lambda: _declare(surroundings), bool, seconds=_PATIENCE_SECONDS)
        yield surroundings
    finally:
        _take_down(cluster, namespace)


def _declare(surroundings: Surroundings) -> bool:
    try:
        surroundings.declare_queues()
    except Refused:
        return False
    return True


def _host(cluster: Cluster, namespace: str, broker: Target) -> str:
    address: str = cluster.get("-n", namespace, "service", broker)["spec"]["clusterIP"]
    return address


def _uid(cluster: Cluster, namespace: str, broker: Target) -> str:
    uid: str = cluster.get("-n", namespace, "pod", broker)["metadata"]["uid"]
    return uid


def _take_down(cluster: Cluster, namespace: str) -> None:
    """Jobs go first: a failed pod that waits for its replacement would hold the namespace up."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    deletions = (
        ("delete", "wqj", "--all", "-n", namespace),
        ("delete", "namespace", namespace, "--ignore-not-found", "--wait=false"),
    )
    for deletion in deletions:
        while cluster.kubectl(*deletion, check=False).returncode and time.monotonic() < deadline:
            time.sleep(1)
