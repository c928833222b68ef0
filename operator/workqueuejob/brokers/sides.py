"""What the modules of a broker's room must offer; `brokers.registry` says what each side is for.

A function takes its own broker's types: where `Any` stands here, the room says which.
"""

from collections.abc import Hashable, Mapping
from typing import Any, Protocol

from workqueuejob.brokers.broker import Broker
from workqueuejob.brokers.connection import BrokerConnection
from workqueuejob.contract.retry import RetrySettings
from workqueuejob.contract.settings import Source, WorkerSettings

Variable = dict[str, Any]
"""A container's environment variable, as Kubernetes' API has it."""


class SettingsSide(Protocol):
    """`settings`: values without a secret, the same for operator and worker."""

    SCHEMES: Mapping[str, bool]
    """Of the broker's URIs, and whether each means TLS; none where it has no URI."""

    def read_source(self, written: Mapping[str, Any]) -> Source:
        """Return a source that was written as JSON; raise TypeError for anything else."""
        ...

    def build_local(self, queue: str, group: str | None, /) -> tuple[Source, RetrySettings]:
        """Return source and retries for a worker that has `BROKER_URL` and `QUEUE` alone.

        group: what `CONSUMER_GROUP` says, if it is set. Raises SettingsInvalid without one, where
        it is needed.
        """
        ...


class TraitsSide(Protocol):
    """`traits`: what the planner must know."""

    def read_traits(self, queue: Any) -> Any:
        """Return the `brokers.traits.Traits` of this member of `spec.queue`."""
        ...


class EnvironmentSide(Protocol):
    """`environment`: the variables of pods; secrets are references, which the kubelet resolves."""

    def build_variables(self, queue: Any) -> list[Variable]:
        """Return what a user's own program needs, each after those that it refers to."""
        ...

    def refer_to_login(self, queue: Any) -> list[Variable]:
        """Return what our worker needs to log in."""
        ...

    def build_source(self, queue: Any, span: Any) -> Source:
        """Return the queue as our worker's settings name it.

        span: the `brokers.positions.TopicSpan` that a run works on, where there is one.
        """
        ...


class ResolveSide(Protocol):
    """`resolve`: from a spec and its Secrets to a connection."""

    def list_logins(self, queue: Any) -> tuple[str, ...]:
        """Return the names of the Secrets with user name, password or URI."""
        ...

    def resolve(
        self, queue: Any, reader: Any, *, namespace: str, allowed_hosts: Any
    ) -> BrokerConnection:
        """Return the connection's settings; raises as `resolving.resolve_connection` does.

        reader: a `secrets.SecretReader`. allowed_hosts: a `hosts.AllowedHosts`.
        """
        ...


class ReferenceSide(Protocol):
    """`reference`: what is measured for a run."""

    def build_reference(self, resource: Any, queue: Any) -> Hashable:
        """Return what the probe measures for a WorkQueueJob; its text is the queue's name."""
        ...


class ProbeSide(Protocol):
    """`probe`: measures a queue's depth."""

    def connect(self, settings: Any) -> Any:
        """Open a `brokers.probe.Probe`, or prepare a `LoopProbe`; raise a QueueError if that fails.

        Called in a thread that may block.
        """
        ...


class ConnectingSide(Protocol):
    """`connecting`: from a worker's environment to a connection."""

    def build_connection(
        self, source: Any, settings: WorkerSettings, environ: Mapping[str, str]
    ) -> BrokerConnection:
        """Return how to reach the broker, secrets included; raise SettingsInvalid."""
        ...


class BrokerSide(Protocol):
    """`broker`: takes and settles items."""

    def open_broker(  # noqa: PLR0913 - what a worker knows of its queue and of itself
        self,
        connection: Any,
        source: Any,
        *,
        retry: RetrySettings,
        run: str,
        pod: str,
        prefetch: int,
        concurrency: int,
    ) -> Broker:
        """Connect to a queue.

        run: under which items are counted, where the broker counts. pod: who takes the items.
        prefetch: items fetched at once, where the broker hands out several. concurrency: items in
        hand at once.
        Raises BrokerUnavailable, or a QueueError that says what a person must change.
        """
        ...
