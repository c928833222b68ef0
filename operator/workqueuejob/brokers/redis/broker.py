"""The worker's side of a Redis list or stream: takes and settles items, and decides nothing.

    take         claims items: each gets a lease and the token of the claim
    ack          removes the item; the same round trip may claim or begin the next one
    retry        the item rests in the sorted set of delays
    dead_letter  the item moves to the dead-letter target, or is dropped where there is none
    release      the item becomes ready again
    renew        starts the leases again, those of fetched items included

Each step is one script at the server (`scripts`), and each settling step compares the token. When
the connection breaks before the answer came, the step may be repeated: as long as the lease lasts,
no other worker can have taken the item, so an item that is not held any more was settled by the
first call. After the lease it counts as lost.
"""

import os
import time
from collections import deque
from collections.abc import Collection
from typing import Any

from workqueuejob.brokers.broker import Delivery
from workqueuejob.brokers.redis.items import Claim, build_dead_letter, read_claimed
from workqueuejob.brokers.redis.session import RedisSession
from workqueuejob.brokers.redis.settings import RedisConnection, RedisSource
from workqueuejob.contract.retry import RetrySettings
from workqueuejob.errors import LeaseLost, WorkQueueJobError

POLL_SECONDS = 0.05
TOKEN_BYTES = 8

HELD_AND_BEGUN = 2
"""The answer of the script `ack` when it began the next item, too."""


class RedisBroker:
    """One list, or one stream by its consumer group; a `Broker` and a `FetchesAhead`.

    fetch_ahead: whether `ack` claims the next item in the same round trip. A lease of that item
        begins then, so the caller should take it at once.
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
        """Connect, and check that the queue can be read; raise as `open_broker` does."""
        self._session.run("depth", 0, 0)

    def take(self, *, timeout_seconds: float) -> Delivery | None:
        """Return an item, or None when no item was ready within the timeout."""
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
        """Settle an item that succeeded; the same round trip begins a fetched item, or claims."""
        if self._fetched:
            self._ack_and_begin(delivery, self._fetched[0])
        elif self.fetch_ahead and not self._unanswered_claim:
            self._ack_and_claim(delivery)
        else:
            self._settle(delivery, "ack", b"", b"", 0, 0)

    def retry(self, delivery: Delivery, *, reason: str, delay_seconds: int) -> None:  # noqa: ARG002 - Redis keeps no reason
        """Count a failed attempt; the item becomes ready again after the delay."""
        self._settle(delivery, "retry", int(delay_seconds * 1000))

    def dead_letter(self, delivery: Delivery, *, reason: str) -> None:
        """Move an item to the dead-letter target, or discard it where there is none.

        A delivery with fewer attempts than the server has counted was not tried this time, so no
        failed attempt is counted.
        """
        failed = delivery.attempt == delivery.handle.attempt
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
        """Renew the leases of held and fetched items; return those held items that are lost."""
        lost = self._renew([*held, *self._fetched])
        self._fetched = deque(fetched for fetched in self._fetched if fetched.id not in lost)
        return [delivery for delivery in held if delivery.handle.lost]

    def extend(self, delivery: Delivery) -> None:
        """Renew the lease at once; raise LeaseLost if the item is lost."""
        if self.renew([delivery]):
            raise self._build_loss(delivery)

    @property
    def renew_seconds(self) -> float:
        """A third of the lease."""
        return self._lease_seconds / 3

    def close(self) -> None:
        """Give back the items that were fetched and not taken, last first, and disconnect."""
        try:
            while self._fetched:
                self._give_back(self._fetched.pop())
            self._recall()
            self._session.leave()
        except WorkQueueJobError:
            # The items come back when their leases end.
            self._fetched.clear()
        self.disconnect()

    def disconnect(self) -> None:
        """Drop the connection and give nothing back; the next call connects again."""
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
        """Begin the attempt at a fetched item; return False if its lease was lost."""
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
        claimed = self._session.run("claim", token, self._prefetch, self._adopts())
        self._keep(claimed, token, asked_at)

    def _recall(self) -> None:
        """Give back the items of a claim whose answer was lost; no worker has seen them."""
        if self._unanswered_claim:
            self._session.run("recall", self._unanswered_claim)
            self._unanswered_claim = ""

    def _adopts(self) -> int:
        """Return 1 once a lease, where a claim is to adopt a stream's orphaned entries; else 0."""
        now = time.monotonic()
        if not self._session.is_stream or now < self._adopt_at:
            return 0
        self._adopt_at = now + self._lease_seconds
        return 1

    def _keep(self, claimed: list[Any], token: str, asked_at: float) -> None:
        if self._unanswered_claim == token:
            self._unanswered_claim = ""
        self._fetched.extend(read_claimed(claimed, token, asked_at + self._lease_seconds))

    def _renew(self, deliveries: Collection[Delivery]) -> set[str]:
        """Renew the leases of those items that are not lost yet; return the ids that are now."""
        held = [delivery for delivery in deliveries if not delivery.handle.lost]
        if not held:
            return set()
        asked_at = time.monotonic()
        pairs = [text for delivery in held for text in (delivery.id, delivery.handle.token)]
        lost = {text.decode() for text in self._session.run("renew", *pairs)}
        for delivery in held:
            delivery.handle.held_until = asked_at + self._lease_seconds
            delivery.handle.lost = delivery.id in lost
        return lost

    def _give_back(self, delivery: Delivery) -> None:
        self._session.run(
            "release", delivery.id, delivery.handle.token, int(delivery.redelivered), 0
        )

    def _settle(
        self, delivery: Delivery, step: str, *arguments: str | bytes | int, target: str = ""
    ) -> Any:
        """Return the step's answer, or None when an unanswered first call has settled the item.

        Raises LeaseLost.
        """
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
        raise self._build_loss(delivery)

    def _build_loss(self, delivery: Delivery) -> LeaseLost:
        return LeaseLost(
            f"item {delivery.id} on {self._session.address} was taken over by somebody else"
            f" before it was settled; its lease of {self._lease_seconds} s had ended unrenewed"
        )


def open_broker(  # noqa: PLR0913 - the same parameters as in every room
    connection: RedisConnection,
    source: RedisSource,
    *,
    retry: RetrySettings,
    run: str = "",
    pod: str = "",
    prefetch: int = 1,
    concurrency: int = 1,  # noqa: ARG001 - a claim leaves the items in hand alone
) -> RedisBroker:
    """Connect to a list or stream, and return the broker.

    run: the run under which the server counts items.
    pod: stands in dead letters, and names a stream's consumer.
    prefetch: how many items a claim takes at once; all but the first wait for their turn.
    Raises BrokerUnavailable when a later try may work, and a QueueError when a person must
    change something: AuthenticationFailed, AuthorizationFailed, TLSFailed, QueueTypeUnsupported.
    """
    broker = RedisBroker(connection, source, retry=retry, run=run, pod=pod, prefetch=prefetch)
    broker.connect()
    return broker
