"""What tests of users' programs import: a queue in memory, and a worker's settings."""

from workqueuejob.brokers.envelope import Envelope
from workqueuejob.brokers.memory.broker import MemoryBroker
from workqueuejob.brokers.memory.queue import MemoryDeadLetter, MemoryQueue
from workqueuejob.brokers.memory.settings import MemorySource
from workqueuejob.contract.retry import RetrySettings
from workqueuejob.contract.settings import WorkerSettings

__all__ = [
    "Envelope",
    "MemoryBroker",
    "MemoryDeadLetter",
    "MemoryQueue",
    "MemorySource",
    "RetrySettings",
    "WorkerSettings",
]
