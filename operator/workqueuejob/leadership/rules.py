"""Decides who may lead: when a Lease has expired, and what its holder writes into it. Pure.

The rule is that of Kubernetes' own leader election (client-go, `leaderelection`): a Lease has
expired when this process has seen it unchanged for its duration. So the clocks of two machines are
not compared. `now` is in seconds on a clock of this process. The times in the Lease are for people,
and decide nothing.
"""

from dataclasses import dataclass, replace
from datetime import datetime


@dataclass(frozen=True, slots=True)
class LeaseTimes:
    """How long a Lease holds. After a holder was killed, another leads within 8 + 2 seconds."""

    duration_seconds: int = 8
    """How long the other replicas leave an unchanged Lease to its holder."""

    renew_deadline_seconds: float = 6.0
    """How long the holder writes after its last renewal.

    Shorter than the duration, so that a request that was sent in time arrives before another
    replica leads.
    """

    retry_seconds: float = 2.0
    """Between two renewals of the holder, and between two looks of the other replicas."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The fields of a Lease of coordination.k8s.io."""

    holder: str
    """The identity of the replica that leads; empty when the Lease was given up."""

    duration_seconds: int
    acquired: datetime | None
    renewed: datetime | None
    transitions: int = 0
    """How often it has passed to another holder."""

    resource_version: str = ""
    """Empty while it is not stored."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """A version of the Lease, and when this process saw it first."""

    lease: Lease
    since: float
    """In seconds, on the clock of `now`."""


def sight(before: Sighting | None, lease: Lease, *, now: float) -> Sighting:
    """Return the Lease with the time at which its present version was first seen."""
    if before is not None and before.lease.resource_version == lease.resource_version:
        return before
    return Sighting(lease, since=now)


def seconds_until_free(sighting: Sighting, identity: str, *, now: float) -> float:
    """Return how long to leave the Lease to its holder.

    0 when it was given up, has expired, or names this replica as its holder.
    """
    lease = sighting.lease
    if lease.holder in {"", identity}:
        return 0.0
    return max(0.0, sighting.since + lease.duration_seconds - now)


def claim(before: Lease | None, identity: str, times: LeaseTimes, *, time: datetime) -> Lease:
    """Return the Lease that a replica writes to take or renew it."""
    duration_seconds = times.duration_seconds
    if before is None:
        return Lease(identity, duration_seconds, acquired=time, renewed=time)
    claimed = replace(before, holder=identity, duration_seconds=duration_seconds, renewed=time)
    if before.holder == identity:
        return claimed
    return replace(claimed, acquired=time, transitions=before.transitions + 1)


def give_up(before: Lease, *, time: datetime) -> Lease:
    """Return the Lease that a holder writes when it ends, so that the next need not wait."""
    return replace(before, holder="", duration_seconds=1, renewed=time)
