"""The queues of a run, the WorkQueueJobs over them, and what their workers do with an item.

A queue, its WorkQueueJob and the items' prefix have the same name.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dev.environment import WORKER

from .evidence import Work, parse_ledger
from .schedule import Target
from .victims import QUEUE_VARIABLE, RUN_VARIABLE

Manifest = dict[str, Any]

_RABBITMQ, _REDIS = "rabbitmq", "redis"
_LEDGER = "/ledger"
_KEEP_LEDGER = """
set -e
IFS= read -r item || [ -n "$item" ]
ledger=/ledger/$CHAOS_QUEUE/$WQJ_POD_NAME
printf 'begin %s %s\\n' "$item" "$EPOCHREALTIME" >>"$ledger"
case "$item" in *-poison) exit 3 ;; esac
sleep "$CHAOS_SECONDS"
printf 'done %s %s\\n' "$item" "$EPOCHREALTIME" >>"$ledger"
sync "$ledger"
"""


@dataclass(frozen=True, slots=True)
class Load:
    """One queue and how it is worked on.

    source: `spec.queue`. spec: what else there is in the WorkQueueJob's.
    poison_every: one of so many items always fails.
    is_continuous: it waits for items until it is told to end, when all have been sent.
    """

    name: str
    broker: Target
    source: Mapping[str, Any]
    spec: Mapping[str, Any]
    poison_every: int | None = None
    is_continuous: bool = False

    @property
    def dead_letter(self) -> str:
        """The queue or key where dead letters go."""
        return f"{self.name}-dead"


LOADS = (
    Load(
        "classic",
        Target.RABBITMQ,
        {
            "rabbitmq": {
                "host": _RABBITMQ,
                "queue": "classic",
                "management": {"url": f"http://{_RABBITMQ}:15672"},
            }
        },
        {"mode": "Coarse", "itemsPerPod": 8},
        poison_every=25,
    ),
    Load(
        "quorum",
        Target.RABBITMQ,
        {"rabbitmq": {"host": _RABBITMQ, "queue": "quorum"}},
        {"mode": "Fine"},
    ),
    Load(
        "list",
        Target.REDIS,
        {"redis": {"host": _REDIS, "list": {"key": "list"}, "leaseSeconds": 5}},
        {"mode": "Fine"},
        is_continuous=True,
    ),
    Load(
        "stream",
        Target.REDIS,
        {
            "redis": {
                "host": _REDIS,
                "stream": {"key": "stream", "consumerGroup": "chaos"},
                "leaseSeconds": 5,
            }
        },
        {"mode": "Coarse", "itemsPerPod": 8},
        poison_every=25,
        is_continuous=True,
    ),
)
UNTIL_DRAINED = {"runPolicy": "UntilDrained"}
"""What winds a Continuous run down."""

_CONTINUOUS = {"runPolicy": "Continuous", "drainedAfterSeconds": 2}
"""Busy periods are to begin and end while things break."""

QUORUM = frozenset({"quorum"})
"""Those that are declared with `x-queue-type: quorum`."""


def queues_of(broker: Target) -> frozenset[str]:
    """Return the queues that lie at a broker."""
    return frozenset(load.name for load in LOADS if load.broker is broker)


def build_work_queue_job(
    load: Load, *, run: str, ledger: Path, item_seconds: float, drained_after_seconds: int
) -> Manifest:
    """Return the manifest; the workers write into the ledger's directory of this machine."""
    environment = {
        RUN_VARIABLE: run,
        QUEUE_VARIABLE: load.name,
        "CHAOS_SECONDS": str(item_seconds),
    }
    container = {
        "name": "worker",
        "image": WORKER.local_reference,
        "imagePullPolicy": "IfNotPresent",
        "command": ["bash", "-c", _KEEP_LEDGER],
        "env": [{"name": name, "value": value} for name, value in environment.items()],
        "volumeMounts": [{"name": "ledger", "mountPath": _LEDGER}],
    }
    volume = {"name": "ledger", "hostPath": {"path": str(ledger), "type": "Directory"}}
    pod = {
        "terminationGracePeriodSeconds": 5,
        "containers": [container],
        "volumes": [volume],
    }
    return {
        "apiVersion": "wqj.dev/v1alpha1",
        "kind": "WorkQueueJob",
        "metadata": {"name": load.name},
        "spec": {
            "queue": load.source,
            "parallelism": 2,
            "drainedAfterSeconds": drained_after_seconds,
            # Every Job is there to be looked at when the run is over.
            "successfulJobsHistoryLimit": 1000,
            "failedJobsHistoryLimit": 1000,
            # Faults are to cost attempts and pods, never an item or the run.
            "backoffLimit": 1000,
            "worker": {"source": "Injected"},
            # So many that no item is killed as often, and few enough for poison to be through.
            "retry": {
                "maxAttempts": 10,
                "maxLostAttempts": 10,
                "maxDelaySeconds": 1,
                "deadLetter": {"name": load.dead_letter},
            },
            **(_CONTINUOUS if load.is_continuous else {"emptyStart": "Wait"}),
            **load.spec,
            "template": {"spec": pod},
        },
    }


def read_ledger(directory: Path) -> tuple[Work, ...]:
    """Return all that the workers have written down."""
    return tuple(
        entry
        for queue in sorted(directory.iterdir())
        for pod in sorted(queue.iterdir())
        for entry in parse_ledger(queue.name, pod.name, pod.read_text().splitlines())
    )
