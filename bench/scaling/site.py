"""The servers of one scenario: a control plane, its nodes if it has any, and a RabbitMQ.

They are this bench's own, on free ports of loopback and in a folder that goes with them.
"""

import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pika
from kubernetes import client, config

from dev.environment import NAMESPACE
from dev.local.binaries import ensure_binaries, ensure_kwok
from dev.local.certificates import ADMIN as ADMINISTRATOR
from dev.local.commands import run
from dev.local.fake_cluster import FakeCluster, bring_up, take_down
from dev.local.layout import build_layout
from dev.servers.rabbitmq import ADMIN, RabbitMQServer, running_rabbitmq
from tests.crowd import each
from workqueuejob.names import GROUP, PLURAL, VERSION

from .fake_pods import FakePods
from .operator_process import (
    IDENTITY,
    Installation,
    OperatorProcess,
    render_chart,
    running_operator,
    to_json,
)
from .requests import RequestLog
from .runs import DEAD_LETTERS, PASSWORD, SPACE, Shape, build_login, build_run, name_login, name_run
from .usage import raise_descriptor_limit

Manifest = dict[str, Any]

_DEFINITION_SECONDS = 30.0
_QUORUM = {"x-queue-type": "quorum"}


@dataclass(frozen=True, slots=True)
class Site:
    """What a scenario works with."""

    cluster: FakeCluster
    api: client.ApiClient
    broker: RabbitMQServer
    requests: RequestLog
    installation: Installation

    @property
    def parameters(self) -> pika.ConnectionParameters:
        """How the bench itself connects to the broker."""
        return pika.ConnectionParameters(
            self.broker.host,
            self.broker.ports.amqp,
            credentials=pika.PlainCredentials(*ADMIN),
            heartbeat=0,
        )

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Return what kubectl prints, as the administrator."""
        kubeconfig = self.cluster.kubeconfig(ADMINISTRATOR)
        program = str(self.cluster.binaries / "kubectl")
        return run([program, f"--kubeconfig={kubeconfig}", *arguments], text_input=stdin)

    def add_runs(
        self,
        numbers: Iterable[int],
        shape: Shape,
        *,
        prefix: str = "run",
        is_quorum: bool = False,
        **changes: Any,
    ) -> list[str]:
        """Create runs with their queues, and return their names.

        is_quorum: whether the queues are of that type. changes: of the runs' spec, as a JSON merge
        patch.
        """
        runs = {name_run(number, prefix): number for number in numbers}
        with self.channel() as channel:
            for name in runs:
                channel.queue_declare(name, durable=True, arguments=_QUORUM if is_quorum else None)
        port = self.broker.ports.amqp
        self.create_runs(
            build_run(name, number, port=port, shape=shape, **changes)
            for name, number in runs.items()
        )
        return list(runs)

    def create_runs(self, manifests: Iterable[Manifest]) -> None:
        """Create WorkQueueJobs, a few at a time."""
        objects: Any = client.CustomObjectsApi(self.api)

        def create(manifest: Manifest) -> None:
            objects.create_namespaced_custom_object(GROUP, VERSION, SPACE, PLURAL, manifest)

        each(create, manifests)

    def delete_runs(self, names: Iterable[str]) -> None:
        """Delete WorkQueueJobs, a few at a time."""
        objects: Any = client.CustomObjectsApi(self.api)

        def delete(name: str) -> None:
            objects.delete_namespaced_custom_object(GROUP, VERSION, SPACE, PLURAL, name)

        each(delete, names)

    def read_run(self, name: str) -> Manifest:
        """Return a WorkQueueJob as the API server has it."""
        objects: Any = client.CustomObjectsApi(self.api)
        run: Manifest = objects.get_namespaced_custom_object(GROUP, VERSION, SPACE, PLURAL, name)
        return run

    def patch_status(self, name: str, status: Manifest) -> None:
        """Change the status of a WorkQueueJob by a merge patch."""
        objects: Any = client.CustomObjectsApi(self.api)
        objects.patch_namespaced_custom_object_status(
            GROUP, VERSION, SPACE, PLURAL, name, {"status": status},
            _content_type="application/merge-patch+json",
        )  # fmt: skip

    def has_ended(self, name: str) -> bool:
        """Return whether a run is Complete or Failed."""
        conditions = self.read_run(name)["status"].get("conditions", ())
        ends = [each for each in conditions if each["type"] in {"Complete", "Failed"}]
        return any(each["status"] == "True" for each in ends)

    def add_logins(self, count: int) -> None:
        """Create the broker's users and the Secrets with their logins."""
        self.broker.add_logins((name_login(number) for number in range(count)), PASSWORD)
        core: Any = client.CoreV1Api(self.api)
        each(lambda number: core.create_namespaced_secret(SPACE, build_login(number)), range(count))

    @contextmanager
    def channel(self) -> Iterator[Any]:
        """Yield a channel to the broker; what is published on it is there when the call returns."""
        connection = pika.BlockingConnection(self.parameters)
        try:
            channel = connection.channel()
            channel.confirm_delivery()
            yield channel
        finally:
            connection.close()

    @contextmanager
    def operator(self) -> Iterator[OperatorProcess]:
        """Run the operator for the duration of the block."""
        kubeconfig = self.cluster.kubeconfig(IDENTITY)
        log = self.cluster.directory / "operator.log"
        with running_operator(self.installation, kubeconfig, log) as process:
            yield process

    @contextmanager
    def pods(self, *, work_seconds: float = 1.0) -> Iterator[FakePods]:
        """Play the pods of the runs for the duration of the block."""
        pods = FakePods(self.api, self.parameters, work_seconds=work_seconds)
        with pods.playing():
            yield pods


@contextmanager
def open_site(*, has_nodes: bool, shape: Shape, values: Mapping[str, str]) -> Iterator[Site]:
    """Start the servers, and install everything of the chart but the operator's Deployment.

    has_nodes: whether there are controllers of Jobs, and nodes. values: of the chart, as `--set`
    has them.
    """
    raise_descriptor_limit()
    layout = build_layout()
    binaries = ensure_binaries(layout)
    kwok = ensure_kwok(layout) if has_nodes else None
    installation = render_chart(binaries / "helm", values)
    with ExitStack() as stack:
        directory = Path(tempfile.mkdtemp(prefix="wqj-scale-"))
        stack.callback(shutil.rmtree, directory, ignore_errors=True)
        (directory / "rabbitmq").mkdir()
        broker = stack.enter_context(running_rabbitmq(directory / "rabbitmq", has_management=False))
        cluster = FakeCluster(directory / "cluster", binaries)
        stack.callback(take_down, cluster)
        bring_up(cluster, kwok=kwok, clients=(IDENTITY,))
        untyped: Any = config.new_client_from_config
        api: client.ApiClient = untyped(str(cluster.kubeconfig(ADMINISTRATOR)))
        site = Site(cluster, api, broker, RequestLog(cluster.audit_log), installation)
        for namespace in (NAMESPACE, SPACE):
            site.kubectl("create", "namespace", namespace)
        site.kubectl("apply", "--server-side", "-f", "-", stdin=to_json(installation.others))
        _await_definition(site)
        site.add_logins(shape.logins)
        with site.channel() as channel:
            channel.queue_declare(DEAD_LETTERS, durable=True)
        yield site


def _await_definition(site: Site) -> None:
    """Wait until WorkQueueJobs can be listed: a definition is there before it is served."""
    objects: Any = client.CustomObjectsApi(site.api)

    def is_served() -> bool:
        try:
            objects.list_namespaced_custom_object(GROUP, VERSION, SPACE, PLURAL, limit=1)
        except client.ApiException:
            return False
        return True

    wait_for(is_served, seconds=_DEFINITION_SECONDS, what="the definition is served")


class Late(Exception):
    """Something did not happen in time."""


def wait_for(holds: Callable[[], bool], *, seconds: float, what: str) -> None:
    """Wait until it holds; raises Late."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise Late(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.25)
