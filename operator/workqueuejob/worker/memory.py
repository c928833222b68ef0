"""The public name of the queue in memory, which tests of users' programs import."""

from workqueuejob.brokers.memory.broker import MemoryBroker
from workqueuejob.brokers.memory.queue import MemoryDeadLetter, MemoryQueue

__all__ = ["MemoryBroker", "MemoryDeadLetter", "MemoryQueue"]
