"""Notices waves whose pods succeed without settling anything.

`amqp-consume` exits 0 when its command fails, and gives the item back. A wave of such pods looks
like success to Kubernetes, and an operator that believed it would make waves for ever.
"""

from datetime import timedelta

from workqueuejob.planning.evidence import Evidence
from workqueuejob.planning.observed import ObservedJob

MAX_FUTILE_WAVES = 3

_FIRST_DELAY_SECONDS = 5
_TIMESTAMP_RESOLUTION = timedelta(seconds=1)


def last_wave(jobs: tuple[ObservedJob, ...]) -> ObservedJob | None:
    """Return the newest wave's Job."""
    return max(jobs, key=lambda job: job.wave, default=None)


def count_futile_pods(evidence: Evidence, jobs: tuple[ObservedJob, ...]) -> int:
    """Return how many pods of the last wave succeeded while the queue stayed as deep as it was.

    The depth must not have moved once since the wave was made: new items hide a futile wave, and
    then nothing is concluded, but a wave that settled an item is never called futile.
    """
    wave = last_wave(jobs)
    if wave is None or evidence.unchanged is None or not evidence.depth:
        return 0
    unmoved = evidence.unchanged.since < wave.created + _TIMESTAMP_RESOLUTION
    return wave.succeeded if unmoved else 0


def has_progressed(evidence: Evidence, jobs: tuple[ObservedJob, ...]) -> bool:
    """Return whether the queue's depth was seen to move since the last wave was made."""
    wave = last_wave(jobs)
    return (
        wave is not None
        and evidence.begun is not None
        and evidence.begun <= wave.created + _TIMESTAMP_RESOLUTION
        and count_futile_pods(evidence, jobs) == 0
    )


def futility_delay_seconds(futile_waves: int) -> float:
    """Return how long to wait, with no pod running, before the next attempt."""
    return float(_FIRST_DELAY_SECONDS * 2**futile_waves)
