"""How long the management API is left alone after an answer. Pure: `now` is an argument.

An answer costs the broker as much time as the operator waits for it, and more with every queue of
the virtual host. So rounds leave the API alone for nine times as long, unless a declare shows that
a queue has changed. That, and a request, wait only as long as the last answer took.
"""

ROUND_RESTS = 9.0
REQUEST_RESTS = 1.0


class Rests:
    """When the API may be asked again."""

    def __init__(self) -> None:
        self._worked_seconds = 0.0
        self._began = float("-inf")

    def begin(self, now: float, *, worked_seconds: float) -> None:
        """Note that an answer has come, and how long it took."""
        self._began, self._worked_seconds = now, worked_seconds

    def find_end(self, *, is_requested: bool) -> float:
        """Return when the rest is over: 2 s after an answer that took 2 s, or 18 s for a round."""
        factor = REQUEST_RESTS if is_requested else ROUND_RESTS
        return self._began + factor * self._worked_seconds
