"""What some brokers can do besides moving items, and what holds for those that can't.

Kafka shares a queue out between its workers; RabbitMQ and Kafka may not answer what settles an
item; with most, acknowledging an item may bring the next one. Decides nothing.
"""

from workqueuejob.brokers.broker import Apportioned, Broker, Delivery, Doubting, FetchesAhead


class Abilities:
    """The abilities of one connection's broker; without a connection there are none."""

    def __init__(self, broker: Broker | None = None) -> None:
        self._ahead = broker if isinstance(broker, FetchesAhead) else None
        self._apportioned = broker if isinstance(broker, Apportioned) else None
        self._doubting = broker if isinstance(broker, Doubting) else None

    @property
    def has_share(self) -> bool:
        """Whether there is something to take from; False while other workers have all there is."""
        return self._apportioned is None or self._apportioned.has_share

    def fetch_ahead(self, *, wanted: bool) -> None:
        """Tell the broker whether the item that settling one may bring would be worked on."""
        if self._ahead is not None:
            self._ahead.fetch_ahead = wanted

    def is_uncertain(self, delivery: Delivery) -> bool:
        """Return whether an item that is lost may have been settled here, or come back unseen."""
        return self._doubting is not None and self._doubting.is_uncertain(delivery)
