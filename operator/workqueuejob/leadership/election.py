"""Takes, renews and gives up the Lease, and says at any moment whether this process may write.

`cluster.connection` has `require` called before each write to the API server. It compares the
age of the last renewal with the deadline. The age counts from before the renewal was sent, on a
clock that goes on while the process is frozen and while the machine sleeps. So a leader that was
frozen for too long writes nothing after it thaws.
"""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

import structlog

from workqueuejob.errors import ClusterError, Conflict, NotFound, NotLeading
from workqueuejob.leadership.rules import (
    Lease,
    LeaseTimes,
    Sighting,
    claim,
    give_up,
    seconds_until_free,
    sight,
)
from workqueuejob.metrics import LEADER

_AFTER_ERROR_SECONDS = 0.5

_log = structlog.get_logger(__name__)


def read_clock() -> float:
    """Return seconds on a clock that goes on while the machine sleeps: CLOCK_BOOTTIME.

    Linux' CLOCK_MONOTONIC stops meanwhile. macOS has no CLOCK_BOOTTIME, and its CLOCK_MONOTONIC
    does not stop.
    """
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class LeaseStore(Protocol):
    """Where the Lease is stored: `leadership.leases.LeaseAPI`, or a test's fake."""

    async def read(self) -> Lease | None:
        """Return the Lease, or None if there is none; raises ClusterError."""
        ...

    async def write(self, lease: Lease) -> Lease:
        """Create the Lease, or replace the version that it was made from; return it as stored.

        Raises ClusterError; Conflict when another client was faster.
        """
        ...


class Leadership:
    """This process' part in the election."""

    def __init__(
        self,
        leases: LeaseStore,
        identity: str,
        *,
        times: LeaseTimes | None = None,
        clock: Callable[[], float] = read_clock,
    ) -> None:
        self._leases = leases
        self._identity = identity
        self._times = times or LeaseTimes()
        self._clock = clock
        self._sighting: Sighting | None = None
        self._lease: Lease | None = None
        self._renewed_at: float | None = None
        self._writing = asyncio.Lock()
        self._given_up = False
        self.problem: str | None = "the Lease has not been read yet"
        """What keeps this process from reading or renewing the Lease, or None."""
        LEADER.set(0)

    @property
    def leads(self) -> bool:
        """Whether this process may write now; any thread may ask."""
        renewed_at = self._renewed_at
        if renewed_at is None:
            return False
        return self._clock() - renewed_at < self._times.renew_deadline_seconds

    def require(self) -> None:
        """Raise NotLeading unless this process may write now; any thread may ask."""
        if not self.leads:
            raise NotLeading(
                f"{self._identity} has not renewed its Lease for"
                f" {self._times.renew_deadline_seconds:g} s; another replica may lead"
            )

    async def acquire(self) -> None:
        """Wait until this process leads; try every few seconds."""
        wait = await self.try_once()
        while wait:
            await asyncio.sleep(wait)
            wait = await self.try_once()
        LEADER.set(1)
        _log.info("leading", identity=self._identity)

    async def hold(self) -> None:
        """Renew the Lease until it is given up; raises NotLeading when it is lost."""
        wait = self._times.retry_seconds
        while not self._given_up:
            await asyncio.sleep(wait)
            wait = await self.renew()

    async def try_once(self) -> float:
        """Take the Lease if it is free; return 0, or the seconds until the next try."""
        try:
            lease = await self._leases.read()
            if lease is not None:
                wait = self._sight(lease)
                if wait > 0:
                    return wait
            await self._claim(lease)
        except Conflict:
            # Another replica was faster; it has the Lease now.
            return _AFTER_ERROR_SECONDS
        except ClusterError as error:
            self._note(error)
            return self._times.retry_seconds
        return 0.0

    async def renew(self) -> float:
        """Renew the Lease; return the seconds until the next time; raises NotLeading when lost."""
        async with self._writing:
            if self._given_up:
                return 0.0
            try:
                self.require()
                await self._claim(self._lease)
            except NotLeading:
                self._lose()
                raise
            except (Conflict, NotFound):
                return await self._look_who_leads()
            except ClusterError as error:
                self._note(error)
                return _AFTER_ERROR_SECONDS
        return self._times.retry_seconds

    async def release(self) -> None:
        """Write no more, and give up the Lease if this process holds it."""
        async with self._writing:
            led, self._given_up = self.leads, True
            self._lose()
            if not led:
                return
            try:
                # Read first: the answer to a renewal, with the newest version, may have been lost.
                lease = await self._leases.read()
                if lease is not None and lease.holder == self._identity:
                    await self._leases.write(give_up(lease, time=datetime.now(UTC)))
            except ClusterError as error:
                _log.warning("the Lease was not given up; it will expire", error=str(error))
            else:
                _log.info("Lease given up", identity=self._identity)

    def _sight(self, lease: Lease) -> float:
        """Return the seconds until the next look at the Lease; 0 when it is free."""
        now = self._clock()
        self._sighting = sight(self._sighting, lease, now=now)
        self.problem = None
        free_in = seconds_until_free(self._sighting, self._identity, now=now)
        return min(free_in, self._times.retry_seconds)

    async def _claim(self, lease: Lease | None) -> None:
        sent = self._clock()
        claimed = claim(lease, self._identity, self._times, time=datetime.now(UTC))
        self._lease = await self._leases.write(claimed)
        self._renewed_at = sent
        self.problem = None

    async def _look_who_leads(self) -> float:
        """Read the Lease after a refused renewal; return the seconds until the next one.

        This process may still be its holder, because the answer to a renewal was lost, or the Lease
        may have been deleted by hand. Raises NotLeading when another replica holds it.
        """
        try:
            lease = await self._leases.read()
        except ClusterError as error:
            self._note(error)
            return _AFTER_ERROR_SECONDS
        if lease is not None and lease.holder != self._identity:
            self._lose()
            raise NotLeading(f"the Lease of {self._identity} has passed to {lease.holder!r}")
        self._lease = lease
        return _AFTER_ERROR_SECONDS

    def _lose(self) -> None:
        self._renewed_at = None
        LEADER.set(0)

    def _note(self, error: ClusterError) -> None:
        problem = f"the Lease can't be read or written: {error}"
        if self.problem != problem:
            self.problem = problem
            _log.warning("the Lease can't be read or written", error=str(error))
