"""The source of a worker whose queue is in memory, as in a test."""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class MemorySource:
    """A queue in memory; its name is for messages."""

    broker: ClassVar[str] = "memory"

    name: str = "memory"
