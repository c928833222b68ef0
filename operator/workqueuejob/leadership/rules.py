"""Who may lead: what a Lease says, when another's has expired, and what a holder writes into it.

As in Kubernetes' own leader election, another's Lease has expired when it was seen unchanged for
its duration: clocks of two machines are never compared. `now` is in seconds on a clock of this
process; the times in the Lease are for people to read.
"""

from dataclasses import dataclass, replace
from datetime import datetime


@dataclass(frozen=True, slots=True)
class LeaseTimes:
    """How long a Lease holds; all in seconds.

    duration: how long others leave an unchanged Lease to its holder.
    renew_deadline: how long the holder acts on its last renewal. Shorter than the duration, so that
        a write that is on its way arrives before anybody else leads.
    retry: between two renewals of the holder, and between two looks of the others.

    A holder that was killed is succeeded after at most duration + retry.
    """

    duration: int = 8
    renew_deadline: float = 6.0
    retry: float = 2.0


@dataclass(frozen=True, slots=True)
class Lease:
    """What a Lease of coordination.k8s.io says.

    holder: empty when it was given up.
    transitions: how often it passed to another holder.
    resource_version: empty when it is not stored yet.
    """

    holder: str
    duration_seconds: int
    acquired: datetime | None
    renewed: datetime | None
    transitions: int = 0
    resource_version: str = ""


@dataclass(frozen=True, slots=True)
class Sighting:
    """A version of the Lease, and when it was seen for the first time."""

    lease: Lease
    since: float


def sight(before: Sighting | None, lease: Lease, *, now: float) -> Sighting:
    """Return since when the Lease is known as it is now."""
    if before is not None and before.lease.resource_version == lease.resource_version:
        return before
    return Sighting(lease, since=now)


def seconds_until_free(sighting: Sighting, identity: str, *, now: float) -> float:
    """Return how long the Lease is left to its holder; 0 when it is given up, expired or ours."""
    lease = sighting.lease
    if lease.holder in {"", identity}:
        return 0.0
    return max(0.0, sighting.since + lease.duration_seconds - now)


def claim(before: Lease | None, identity: str, times: LeaseTimes, *, time: datetime) -> Lease:
    """Return the Lease to be written by whoever takes or renews it."""
    if before is None:
        return Lease(identity, times.duration, acquired=time, renewed=time)
    claimed = replace(before, holder=identity, duration_seconds=times.duration, renewed=time)
    if before.holder == identity:
        return claimed
    return replace(claimed, acquired=time, transitions=before.transitions + 1)


def give_up(before: Lease, *, time: datetime) -> Lease:
    """Return the Lease to be written by a holder that ends, so that nobody has to wait."""
    return replace(before, holder="", duration_seconds=1, renewed=time)
