"""A RabbitMQ queue with a prefetch of 1. Knows nothing of Kubernetes.

An item is ready, held by one consumer, or settled; it never vanishes by itself. As at the real
broker, no item stays ready while a consumer waits, and a connection that closes gives its item
back to the head of the queue.
"""

from collections import deque


class Queue:
    """Items are numbers, in the order in which they were published."""

    def __init__(self) -> None:
        self.ready: deque[int] = deque()
        self.held: dict[str, int] = {}
        self.settled: dict[int, str] = {}
        self.consumers: list[str] = []
        self.published = 0

    def publish(self, items: int) -> None:
        """Add items at the tail."""
        self.ready.extend(range(self.published, self.published + items))
        self.published += items
        self._deliver()

    def subscribe(self, consumer: str) -> None:
        """Register a consumer, which gets an item as soon as there is one."""
        self.consumers.append(consumer)
        self._deliver()

    def settle(self, consumer: str) -> None:
        """Take the consumer's acknowledgement; it gets the next item at once."""
        self.settled[self.held.pop(consumer)] = consumer
        self._deliver()

    def settle_last(self, consumer: str) -> None:
        """Take the acknowledgement of a consumer that cancels together with it."""
        self.settled[self.held.pop(consumer)] = consumer
        self.disconnect(consumer)

    def disconnect(self, consumer: str) -> None:
        """Close the consumer's connection, if it has one; what it held is ready again."""
        if consumer in self.consumers:
            self.consumers.remove(consumer)
        if consumer in self.held:
            self.ready.appendleft(self.held.pop(consumer))
        self._deliver()

    def _deliver(self) -> None:
        for consumer in self.consumers:
            if self.ready and consumer not in self.held:
                self.held[consumer] = self.ready.popleft()
