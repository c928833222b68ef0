"""A token bucket: how many questions the operator may ask now. Pure: `now` is an argument."""

from dataclasses import dataclass


@dataclass(slots=True)
class Bucket:
    """Fills at a steady rate up to a limit; a question takes a token.

    For example, at a rate of 1,000 and a limit of 100 it is full after 0.1 s. It may be overdrawn
    by the one question that takes more than is left.
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

    def take(self, tokens: float) -> None:
        """Take tokens out."""
        self._tokens -= tokens
