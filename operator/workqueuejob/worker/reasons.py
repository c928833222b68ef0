"""Why an item failed or was given up, as its dead letter and the worker's log say it. Pure."""

from workqueuejob.brokers.broker import Delivery
from workqueuejob.contract.retry import RetrySettings

REASON_MAX_LENGTH = 1000


def shorten(reason: str) -> str:
    """Return as much of a reason as a dead letter takes: its first 1,000 characters."""
    return reason[:REASON_MAX_LENGTH]


def describe_exhausted(delivery: Delivery, retry: RetrySettings) -> str:
    """Return why an item is not tried this time."""
    made, lost = delivery.attempt - 1, delivery.lost_attempts
    if delivery.gone:
        return (
            f"removed from the queue by another program after {count_attempts(made)}, and before it"
            " was done, so nothing of it is left; trim the stream less (XADD MAXLEN, XTRIM)"
        )
    if lost < retry.max_lost_attempts:
        failed = count_attempts(delivery.failed_attempts)
        return f"{failed} failed, and retry.maxAttempts is {retry.max_attempts}"
    reason = (
        f"{count_attempts(lost)} ended without a word, and retry.maxLostAttempts is"
        f" {retry.max_lost_attempts}: the worker was killed or lost its connection"
    )
    if delivery.last_failure:
        reason += f"; the last that failed: {delivery.last_failure}"
    return reason


def describe_limit(limit_seconds: float | None) -> str:
    """Return why an item failed that took longer than its limit, such as `timed out after 60 s`."""
    return f"timed out after {limit_seconds or 0:g} s"


def count_attempts(made: int) -> str:
    """Return `1 attempt`, `2 attempts`, and so on."""
    return f"{made} attempt{'' if made == 1 else 's'}"


def describe_deadline(deadline_seconds: int | None) -> str:
    """Return why an item failed whose work its pod's deadline interrupted."""
    return f"not done when the pod's activeDeadlineSeconds of {deadline_seconds} s ended"


def describe_probe(kind: str) -> str:
    """Return why an item failed whose work was stopped while a container probe failed."""
    return f"not done when the container was stopped, because its {kind} failed"
