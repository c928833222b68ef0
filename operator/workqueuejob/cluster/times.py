"""Writes times as the API server's MicroTime has them."""

from datetime import UTC, datetime


def write_micro_time(time: datetime) -> str:
    """Return a time in UTC with six digits of its second, for fewer are refused."""
    return time.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
