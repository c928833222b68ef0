"""Where a queue in memory is: in this process, under its name. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from workqueuejob.contract.retry import RetrySettings

SCHEMES = {"memory": False}


@dataclass(frozen=True, slots=True)
class MemorySource:
    """A queue in memory.

    name: under which `MemoryQueue.named` finds it. A worker that gets its broker from a program
        only shows the name.
    """

    broker: ClassVar[str] = "memory"

    name: str = "memory"


@dataclass(frozen=True, slots=True)
class MemoryConnection:
    """The connection to all queues of this process, which is none."""

    broker: ClassVar[str] = "memory"

    username: str | None = None
    password: str | None = None
    address: str = "this process"


def read_source(written: Mapping[str, Any]) -> MemorySource:
    """Return a source that was written as JSON; raise TypeError for anything else."""
    return MemorySource(**written)


def build_local(queue: str, _group: str | None) -> tuple[MemorySource, RetrySettings]:
    """Return source and retries for a worker that has `BROKER_URL` and `QUEUE` alone."""
    return MemorySource(queue), RetrySettings(dead_letter=f"{queue}.dead")
