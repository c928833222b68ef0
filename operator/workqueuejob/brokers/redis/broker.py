"""A worker's connection to a Redis list or stream; the Broker of `workqueuejob.brokers.broker`.

Every step is one script at the server (`protocol.redis_scripts`). An item is held by a lease and
the token of the claim, which every settling step compares. A step whose answer was lost with the
connection may be repeated: as long as the lease lasts nobody else can have taken the item, so
one that is not held any more was settled by the step itself; after that it counts as lost.
"""

import os
import time
from collections import deque
from collections.abc import Collection
from typing import Any

from workqueuejob.brokers.broker import Delivery
from workqueuejob.brokers.connection import RedisConnection
from workqueuejob.brokers.redis.items import Claim, build_dead_letter, read_claimed
from workqueuejob.brokers.redis.session import RedisSession
from workqueuejob.contract.retry import RetrySettings
from workqueuejob.contract.settings import RedisSource
from workqueuejob.errors import LeaseLost, WorkQueueJobError

POLL_SECONDS = 0.05
TOKEN_BYTES = 8

HELD_AND_BEGUN = 2
"""What acknowledging an item answers when it began the next one, too."""


class RedisBroker:
    """One list, or one stream by its consumer group; a `FetchesAhead`.

    fetch_ahead: lets `ack` claim the next item in the same round trip, for who takes it at once:
        it is held from then on.
    """

    def __init__(
        self,
        connection: RedisConnection,
        source: RedisSource,
        *,
        retry: RetrySettings,
        run: str = "",
        pod: str = "",
        prefetch: int = 1,
    ) -> None:
        self.fetch_ahead = True
        self._session = RedisSession(connection, source, run=run, pod=pod)
        self._lease_seconds = source.lease_seconds
        self._retry = retry
        self._pod = pod
        self._prefetch = max(prefetch, 1)
        self._fetched: deque[Delivery] = deque()
        self._unanswered_claim = ""
        self._adopt_at = 0.0

    def connect(self) -> None:
        """Connect, and find out whether the queue can be read."""
        self._session.run("depth", 0, 0)

    def take(self, *, timeout_seconds: float) -> Delivery | None:
        """Return an item, or None when none was ready for so long."""
        ends_at = time.monotonic() + timeout_seconds
        while True:
            delivery = self._take_fetched()
            if delivery is None:
                self._claim()
                delivery = self._take_fetched()
            if delivery is not None:
                return delivery
            rest = ends_at - time.monotonic()
            if rest <= 0:
                return None
            time.sleep(min(rest, POLL_SECONDS))

    def ack(self, delivery: Delivery) -> None:
        """Settle an item that succeeded, and go on to the next in the same round trip.

        That is to begin what was fetched already or else to claim.
        """
        if self._fetched:
            self._ack_and_begin(delivery, self._fetched[0])
        elif self.fetch_ahead and not self._unanswered_claim:
            self._ack_and_claim(delivery)
        else:
            self._settle(delivery, "ack", b"", b"", 0, 0)

    def retry(self, delivery: Delivery, *, reason: str, delay_seconds: int) -> None:  # noqa: ARG002 - nobody reads why
        """Count a failed attempt; the item becomes ready again after the delay."""
        self._settle(delivery, "retry", int(delay_seconds * 1000))

    def dead_letter(self, delivery: Delivery, *, reason: str) -> None:
        """Move an item to the dead-letter target, or discard it where there is none.

        An attempt beyond the last allowed was none: the item is given up without being tried.
        """
        failed = delivery.handle.attempt <= self._retry.max_attempts
        if self._retry.dead_letter is None:
            self._settle(delivery, "dead_letter", int(failed))
            return
        letter = build_dead_letter(
            delivery,
            delivery.handle.entry,
            reason=reason,
            pod=self._pod,
        )
        target = self._retry.dead_letter
        self._settle(delivery, "dead_letter", int(failed), *letter, target=target)

    def release(self, delivery: Delivery) -> None:
        """Give an item back at once; this attempt does not count."""
        self._settle(delivery, "release", 1, 1)

    def renew(self, held: Collection[Delivery]) -> Collection[Delivery]:
        """Keep hold of what is worked on, and of what was fetched; return what is lost."""
        lost = self._renew([*held, *self._fetched])
        self._fetched = deque(one for one in self._fetched if one.id not in lost)
        return [one for one in held if one.handle.lost]

    @property
    def renew_seconds(self) -> float:
        """A third of the lease."""
        return self._lease_seconds / 3

    def close(self) -> None:
        """Give back what was fetched but not taken, the last first, and disconnect."""
        try:
            while self._fetched:
                self._give_back(self._fetched.pop())
            self._recall()
            self._session.leave()
        except WorkQueueJobError:
            # What is left of it comes back when its lease ends.
            self._fetched.clear()
        self.disconnect()

    def disconnect(self) -> None:
        """Drop the connection without a word; the next call connects anew."""
        self._session.disconnect()

    def _ack_and_begin(self, delivery: Delivery, following: Delivery) -> None:
        claim: Claim = following.handle
        begins = (b"", b"") if claim.begun else (following.id, claim.token)
        if self._settle(delivery, "ack", *begins, 0, 0) == HELD_AND_BEGUN:
            claim.begun = True

    def _ack_and_claim(self, delivery: Delivery) -> None:
        token, asked_at = os.urandom(TOKEN_BYTES).hex(), time.monotonic()
        self._unanswered_claim = token
        answer = self._settle(delivery, "ack", b"", token, self._prefetch, self._adopts())
        if isinstance(answer, list):
            self._keep(answer[1], token, asked_at)

    def _take_fetched(self) -> Delivery | None:
        while self._fetched:
            delivery = self._fetched.popleft()
            if self._hold(delivery):
                return delivery
        return None

    def _hold(self, delivery: Delivery) -> bool:
        """Whether a fetched item is still ours, and its attempt counts from now on."""
        claim: Claim = delivery.handle
        asked_at = time.monotonic()
        if not claim.begun:
            claim.begun = bool(self._session.run("begin", delivery.id, claim.token))
            claim.held_until = asked_at + self._lease_seconds
            return claim.begun
        if claim.held_until - asked_at > self._lease_seconds - self.renew_seconds:
            return True
        return not self._renew([delivery])

    def _claim(self) -> None:
        token, asked_at = os.urandom(TOKEN_BYTES).hex(), time.monotonic()
        self._recall()
        self._unanswered_claim = token
        found = self._session.run("claim", token, self._prefetch, self._adopts())
        self._keep(found, token, asked_at)

    def _recall(self) -> None:
        """Give back what was claimed for us when the answer was lost: nobody had it."""
        if self._unanswered_claim:
            self._session.run("recall", self._unanswered_claim)
            self._unanswered_claim = ""

    def _adopts(self) -> int:
        """Whether to look for what died in others' hands, which is once a lease."""
        now = time.monotonic()
        if not self._session.is_stream or now < self._adopt_at:
            return 0
        self._adopt_at = now + self._lease_seconds
        return 1

    def _keep(self, found: list[Any], token: str, asked_at: float) -> None:
        if self._unanswered_claim == token:
            self._unanswered_claim = ""
        self._fetched.extend(read_claimed(found, token, asked_at + self._lease_seconds))

    def _renew(self, deliveries: Collection[Delivery]) -> set[str]:
        holding = [one for one in deliveries if not one.handle.lost]
        if not holding:
            return set()
        asked_at = time.monotonic()
        pairs = [text for one in holding for text in (one.id, one.handle.token)]
        lost = {text.decode() for text in self._session.run("renew", *pairs)}
        for one in holding:
            one.handle.held_until = asked_at + self._lease_seconds
            one.handle.lost = one.id in lost
        return lost

    def _give_back(self, delivery: Delivery) -> None:
        self._session.run(
            "release", delivery.id, delivery.handle.token, int(delivery.redelivered), 0
        )

    def _settle(
        self, delivery: Delivery, step: str, *arguments: str | bytes | int, target: str = ""
    ) -> Any:
        """Return the step's answer, or None when it had worked the first time."""
        claim: Claim = delivery.handle
        repeated = claim.unanswered and time.monotonic() < claim.held_until
        if not claim.lost:
            claim.unanswered = True
            answer = self._session.run(
                step, delivery.id, claim.token, *arguments, target=target, repeated=repeated
            )
            claim.unanswered = False
            if answer[0] if isinstance(answer, list) else answer:
                return answer
            if repeated:
                return None
            claim.lost = True
        raise LeaseLost(
            f"item {delivery.id} on {self._session.address} was taken over by somebody else"
            f" before it was settled; its lease of {self._lease_seconds} s had ended unrenewed"
        )


def open_broker(
    connection: RedisConnection,
    source: RedisSource,
    *,
    retry: RetrySettings,
    run: str = "",
    pod: str = "",
    prefetch: int = 1,
) -> RedisBroker:
    """Connect to a queue.

    run: under which items are counted at the server. pod: who dead-letters an item, and the name of
    a stream's consumer. prefetch: items claimed at once, of which all but the first wait.
    Raises BrokerUnavailable when it may work later, and any other QueueError when a person must
    change something: AuthenticationFailed, AuthorizationFailed, TLSFailed, QueueTypeUnsupported.
    """
    broker = RedisBroker(connection, source, retry=retry, run=run, pod=pod, prefetch=prefetch)
    broker.connect()
    return broker
