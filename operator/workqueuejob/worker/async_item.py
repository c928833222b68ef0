"""An item in the hand of a program on asyncio: what settles it is awaited.

Settling asks the broker, which blocks; a thread of the worker does it, so the event loop goes on. A
settlement that has begun is brought to its end although the task is cancelled meanwhile.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from types import TracebackType
from typing import Any, TypeVar

from workqueuejob.brokers.envelope import Envelope
from workqueuejob.worker.item import Item
from workqueuejob.worker.reasons import describe_limit

T = TypeVar("T")
Ask = Callable[[Callable[[], T]], Awaitable[T]]


class AsyncItem:
    """An item to work on, with the properties of an `Item`.

        async for item in worker:
            async with item:
                await convert(item.body)

    The end of the block acknowledges the item. An exception in the block fails it, is written to
    stderr, and goes no further. So does the end of `itemTimeoutSeconds`, which cancels the block. A
    cancellation by others gives the item back, which counts as no attempt.
    """

    __slots__ = ("_ask", "_interrupt", "_item", "_limit_seconds", "_time")

    def __init__(
        self,
        item: Item,
        ask: Ask[Any],
        *,
        interrupt: Callable[[Item], bool],
        limit_seconds: float | None = None,
    ) -> None:
        """Wrap an item, whose time begins now; called on the event loop.

        ask: calls a function in the worker's thread. interrupt: settles an item whose work was
            cancelled. limit_seconds: how long its work may take; None sets no limit.
        """
        self._item = item
        self._ask = ask
        self._interrupt = interrupt
        self._limit_seconds = limit_seconds
        now = asyncio.get_running_loop().time()
        self._time = asyncio.timeout_at(None if limit_seconds is None else now + limit_seconds)

    @property
    def id(self) -> str:
        """The name of the item in logs; the same in all attempts where the broker keeps one."""
        return self._item.id

    @property
    def body(self) -> bytes:
        """The item's bytes."""
        return self._item.body

    @property
    def text(self) -> str:
        """The item's bytes as UTF-8; raises UnicodeDecodeError where they are none."""
        return self._item.text

    @property
    def attempt(self) -> int:
        """The number of this attempt, from 1."""
        return self._item.attempt

    @property
    def redelivered(self) -> bool:
        """Whether a worker or another program had the item before."""
        return self._item.redelivered

    @property
    def envelope(self) -> Envelope:
        """All that the broker keeps of the item besides its body."""
        return self._item.envelope

    @property
    def headers(self) -> Mapping[str, Any]:
        """The producer's headers by name, read-only; empty where the broker keeps none."""
        return self._item.headers

    @property
    def properties(self) -> Mapping[str, Any]:
        """What else the broker keeps of the item, by the broker's own names; read-only."""
        return self._item.properties

    @property
    def key(self) -> bytes | None:
        """The key of a record in a log; None if it has none, or the broker has no keys."""
        return self._item.key

    @property
    def content_type(self) -> str | None:
        """The type of the body, such as `application/json`; None if the producer named none."""
        return self._item.content_type

    @property
    def enqueued_at(self) -> datetime | None:
        """When the item was added to its queue, with a time zone; None if nobody noted it."""
        return self._item.enqueued_at

    @property
    def is_tombstone(self) -> bool:
        """Whether the item has no body at all, as a record that deletes its key in a log."""
        return self._item.is_tombstone

    @property
    def is_lost(self) -> bool:
        """Whether another worker has taken it over; then it can't be settled here any more."""
        return self._item.is_lost

    @property
    def is_settled(self) -> bool:
        """Whether this delivery of it was settled here, also by a retry or by giving it back."""
        return self._item.is_settled

    async def ack(self) -> bool:
        """Settle the item as done; return False if another worker has it, and does it again."""
        return await self._settle(self._item.ack)

    async def fail(
        self, reason: str, *, retry: bool = True, delay_seconds: float | None = None
    ) -> bool:
        """Count a failed attempt: the item is tried again after its back-off, or dead-lettered.

        The arguments are those of `Item.fail`. Returns False if the item is lost.
        """
        return await self._settle(
            lambda: self._item.fail(reason, retry=retry, delay_seconds=delay_seconds)
        )

    async def release(self) -> bool:
        """Give the item back at once, without counting this attempt; return False if it is lost."""
        return await self._settle(self._item.release)

    async def extend(self) -> None:
        """Renew the lease at once; raises LeaseLost if another worker has taken the item over."""
        await self._settle(self._item.extend)

    async def give_back(self) -> bool:
        """Settle the item after its work was cancelled; return False if it is lost."""
        return await self._settle(lambda: self._interrupt(self._item))

    @property
    def is_late(self) -> bool:
        """Whether its time limit is over."""
        late_at = self._time.when()
        return late_at is not None and asyncio.get_running_loop().time() >= late_at

    async def time_out(self) -> bool:
        """Fail the item because its time limit is over; return False if it is lost."""
        return await self.fail(describe_limit(self._limit_seconds))

    async def conclude(self, error: BaseException | None) -> bool:
        """Settle the item by how its work ended; return whether the error goes no further."""
        return await self._settle(lambda: self._item.conclude(error))

    async def __aenter__(self) -> "AsyncItem":
        await self._time.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        is_cancelled = isinstance(error, asyncio.CancelledError)
        try:
            await self._time.__aexit__(kind, error, trace)
        except TimeoutError:
            await self.time_out()
            return True
        if is_cancelled:
            # `run` cancels the task for the same limit.
            await (self.time_out() if self.is_late else self.give_back())
            return False
        return await self.conclude(error)

    async def _settle(self, act: Callable[[], T]) -> T:
        return await asyncio.shield(asyncio.ensure_future(self._ask(act)))

    def __repr__(self) -> str:
        return f"Async{self._item!r}"
