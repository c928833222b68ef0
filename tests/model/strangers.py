"""Consumers of the queue that are none of ours."""

from tests.model.queue import Queue


def is_stranger(consumer: str) -> bool:
    """Return whether a consumer is none of ours, by its name."""
    return consumer.startswith("stranger-")


class Strangers:
    """They take items with a prefetch of 1, like everybody, and settle them or give them back.

    moves: how often one of them did something.
    """

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._came = 0
        self.moves = 0

    @property
    def present(self) -> list[str]:
        """Those that are connected."""
        return [name for name in self._queue.consumers if is_stranger(name)]

    def come(self) -> None:
        """One more connects."""
        self._came += 1
        self.moves += 1
        self._queue.subscribe(f"stranger-{self._came}")

    def settle_all(self) -> None:
        """Each settles what it holds, and may get more."""
        for name in self.present:
            if name in self._queue.held:
                self.moves += 1
                self._queue.settle(name)

    def leave(self) -> None:
        """All go; what they hold is ready again."""
        for name in self.present:
            self.moves += 1
            self._queue.disconnect(name)
