"""The model's time: it moves only when it is told to."""

from datetime import datetime

from tests.builders import after


class Clock:
    """Seconds since the model began, for machines and for people."""

    def __init__(self) -> None:
        self.seconds = 0.0

    @property
    def now(self) -> datetime:
        """The wall-clock time in UTC."""
        return after(self.seconds)

    @property
    def timestamp(self) -> str:
        """The time as Kubernetes writes it: whole seconds."""
        return self.now.strftime("%Y-%m-%dT%H:%M:%SZ")

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.seconds += seconds
