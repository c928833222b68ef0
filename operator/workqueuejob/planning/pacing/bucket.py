"""A token bucket: how much may be sent or asked now."""

from dataclasses import dataclass


@dataclass(slots=True)
class Bucket:
    """Fills at a steady rate up to a limit, and is full at first; what is sent takes tokens.

    For example, at a rate of 1,000 and a limit of 100 it is full after 0.1 s. It may be overdrawn
    by the one thing that takes more than is left.
    """

    rate: float
    """Tokens a second."""

    limit: float
    _tokens: float = 0.0
    _filled_at: float | None = None

    def fill(self, now: float) -> float:
        """Return the tokens there are now; never more than the limit."""
        if self._filled_at is None:
            self._tokens = self.limit
        else:
            earned = max(now - self._filled_at, 0.0) * self.rate
            self._tokens = min(self._tokens + earned, self.limit)
        self._filled_at = now
        return self._tokens

    def take(self, tokens: float = 1.0) -> None:
        """Take tokens out."""
        self._tokens -= tokens

    def give_back(self) -> None:
        """Put a token back that was not used."""
        self._tokens = min(self._tokens + 1.0, self.limit)

    def seconds_until_one(self) -> float:
        """Return how long it takes until there is a token, counted from the last `fill`."""
        return max(0.0, (1.0 - self._tokens) / self.rate)
