"""Measures a RabbitMQ queue by a passive declare, and by the management API where it is configured.

    ready          the declare's message count, or messages_ready of a classic queue
    in_flight      messages_unacknowledged of a classic queue; None without the management API. That
                   of a quorum queue is up to five seconds old, so it is in_flight_lately
    consumers      the declare's consumer count
    delayed        the declares' message counts of the delay queues, asked before the queue itself;
                   those for chosen delays only if a queue says that there may be any
    dead_lettered  the ready messages of the dead-letter queue, with the unacknowledged ones of a
                   classic queue where the management API tells them
    precision      Exact when ready and in_flight were counted at one moment, else Estimated

It consumes, creates and changes nothing. Without the management API it can't tell a stream, or a
quorum queue that has lost its leader, from an empty queue, because RabbitMQ answers the declare
with zeros (tried on 3.10, 4.0 and 4.3). With the API, `quorum_leaders` tells.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

from workqueuejob.brokers.depth import DepthWarning, QueueDepth
from workqueuejob.brokers.probe import LoopProbe, Services
from workqueuejob.brokers.rabbitmq.depths import build_alarm_warning, build_depth, is_empty
from workqueuejob.brokers.rabbitmq.errors import translate
from workqueuejob.brokers.rabbitmq.management import ManagementClient, QueueTotals
from workqueuejob.brokers.rabbitmq.management_rests import Rests
from workqueuejob.brokers.rabbitmq.probe_connection import DeclaredQueue, ProbeConnection
from workqueuejob.brokers.rabbitmq.probe_parameters import resolve_parameters
from workqueuejob.brokers.rabbitmq.quorum_leaders import check_leader, check_state
from workqueuejob.brokers.rabbitmq.reference import RabbitMQReference
from workqueuejob.brokers.rabbitmq.settings import RabbitMQConnection
from workqueuejob.brokers.rabbitmq.side_queues import SideQueueCounter
from workqueuejob.errors import MeasurementUnreliable, QueueError, QueueTypeUnsupported

MEASUREMENT_TIMEOUT_SECONDS = 10.0
"""For all declares of a measurement."""

MANAGEMENT_RETRY_SECONDS = 10.0
ALARMS_SECONDS = 5.0
"""Between two readings of the alarms, which last for minutes."""

Totals = Mapping[str, QueueTotals] | DepthWarning


@dataclass(frozen=True, slots=True)
class Reading:
    """What is read of the management API for several queues at once.

    alarms: the resources that are short. AMQP reports them only to connections that publish.
    """

    totals: Totals
    alarms: tuple[str, ...] = ()


_NOTHING_READ = Reading({})


@dataclass(slots=True)
class _Known:
    """What is kept of a queue from one measurement to the next.

    declared: the answer to its declare then. was_empty: whether it was found empty.
    """

    side: SideQueueCounter
    declared: DeclaredQueue | None = None
    was_empty: bool = False


class RabbitMQProbe(LoopProbe[RabbitMQReference]):
    """One broker and virtual host."""

    def __init__(
        self, settings: RabbitMQConnection, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Look up the host, and prepare without connecting; raise a QueueError."""
        self._settings = settings
        self._clock = clock
        self._reading: Reading | None = None
        self._failed_at = float("-inf")
        self._rests = Rests()
        self._alarms: tuple[str, ...] = ()
        self._ask_for_alarms_at = 0.0
        self._management: ManagementClient | None = None
        if settings.management_url is not None:
            self._management = ManagementClient(settings, settings.management_url)
        self._amqp = ProbeConnection(settings, resolve_parameters(settings))
        self._known: dict[RabbitMQReference, _Known] = {}

    async def open(self, services: Services, on_lost: Callable[[QueueError], None]) -> None:
        """Connect; raise a QueueError when that fails."""
        self._services = services
        self._turn = asyncio.Lock()
        await self._amqp.open(services.loop, on_lost)

    @property
    def room(self) -> int:
        """How many more questions may be on their way."""
        return self._amqp.room

    @property
    def quarantine_room(self) -> int:
        """How many questions to queues in quarantine may be on their way."""
        return self._amqp.quarantine_room

    def count_questions(self, queue: RabbitMQReference) -> int:
        """Return how many declares a measurement of the queue takes."""
        others = (queue.dead_letter is not None) + queue.may_choose_delays
        return 1 + len(queue.delay_queues) + others

    def rest_until(self, *, is_requested: bool) -> float:
        """Return until when the management API is left alone; the past without it."""
        return self._rests.find_end(is_requested=is_requested)

    async def begin_round(self) -> Reading:
        """Read the management API; where it failed a moment ago, return that again."""
        if self._management is None:
            return _NOTHING_READ
        # One request at a time, because they share a connection.
        async with self._turn:
            began = self._clock()
            if self._reading is not None and began - self._failed_at < MANAGEMENT_RETRY_SECONDS:
                return self._reading
            self._reading = await self._services.run(self._read)
            if isinstance(self._reading.totals, DepthWarning):
                # A failing API may take seconds to fail, and not every round may wait for it.
                self._failed_at = self._clock()
            else:
                self._rests.begin(self._clock(), worked_seconds=self._clock() - began)
            return self._reading

    async def measure(self, queue: RabbitMQReference, read: Reading) -> QueueDepth:
        """Return the queue's depth; raise a QueueError when it can't be known."""
        try:
            async with asyncio.timeout(MEASUREMENT_TIMEOUT_SECONDS):
                return await self._measure(queue, read)
        except TimeoutError as error:
            raise translate(error, self._settings) from error

    def glance(
        self, queue: RabbitMQReference, on_answer: Callable[[bool | QueueError], None]
    ) -> bool:
        """Declare the queue itself alone, and compare the answer with that of the measurement."""
        known = self._known.get(queue)
        if known is None or known.declared is None:
            return False
        before = known.declared

        def compare(answer: DeclaredQueue | QueueError) -> None:
            on_answer(answer if isinstance(answer, QueueError) else answer == before)

        self._amqp.ask(queue.queue, compare)
        return True

    def forget(self, queue: RabbitMQReference) -> None:
        """Keep nothing of a queue that is not measured any more."""
        self._known.pop(queue, None)

    async def close(self) -> None:
        """Close both connections; never raises."""
        await self._amqp.close()
        if self._management is not None:
            self._management.close()

    async def _measure(self, queue: RabbitMQReference, read: Reading) -> QueueDepth:
        known = self._known.get(queue)
        if known is None:
            side = SideQueueCounter(self._amqp.declare_passively, clock=self._clock)
            known = self._known[queue] = _Known(side)
        started, known.declared = self._clock(), None
        depth, declared = await self._count(queue, known.side, read.totals)
        if (
            is_empty(depth)
            and not known.was_empty
            and known.side.forget_absence(_list_delay_queues(queue), before=started)
        ):
            # A run ends on this zero, so a delay queue that was created just now must count.
            depth, declared = await self._count(queue, known.side, read.totals)
        known.was_empty = False
        if is_empty(depth) and depth.consumers == 0:
            await self._check_leaders(queue, read.totals)
            known.was_empty = True
        dead_lettered = await _count_dead_lettered(queue.dead_letter, known.side, read.totals)
        known.declared = declared
        return replace(
            depth,
            dead_lettered=dead_lettered,
            warning=depth.warning or build_alarm_warning(self._settings.address, read.alarms),
        )

    async def _count(
        self, queue: RabbitMQReference, side: SideQueueCounter, totals: Totals
    ) -> tuple[QueueDepth, DeclaredQueue]:
        # Delay queues first: an item that moves meanwhile is counted twice, and not left out.
        delayed = await side.count_delayed(queue.delay_queues)
        if queue.chosen_delays is not None and await side.count(queue.chosen_delays) is not None:
            delayed += await side.count_delayed(queue.list_chosen_delay_queues())
        declared = await self._amqp.declare_passively(queue.queue)
        if isinstance(totals, DepthWarning):
            depth = build_depth(queue.queue, declared, None, warning=totals)
        else:
            depth = build_depth(queue.queue, declared, totals.get(queue.queue))
        if not (queue.delay_queues or queue.may_choose_delays):
            return depth, declared
        # The declare, too, because the totals are older than the count of delayed items.
        ready = max(depth.ready, declared.messages)
        return replace(depth, ready=ready, delayed=delayed), declared

    async def _check_leaders(self, queue: RabbitMQReference, totals: Totals) -> None:
        """Raise MeasurementUnreliable for zeros that do not come from a quorum queue's leader."""
        if self._management is None or isinstance(totals, DepthWarning):
            return
        for name in (queue.queue, *_list_delay_queues(queue)):
            queue_totals = totals.get(name)
            if queue_totals is not None and queue_totals.type == "quorum":
                check_state(name, queue_totals)
                async with self._turn:
                    members = await self._services.run(partial(self._management.read_members, name))
                check_leader(name, queue_totals, members)

    def _read(self) -> Reading:
        """Read the totals and, once in a while, the alarms; called in another thread."""
        if self._management is None:
            return _NOTHING_READ
        totals = self._management.read_totals()
        if isinstance(totals, DepthWarning):
            return Reading(totals)
        if self._clock() >= self._ask_for_alarms_at:
            self._alarms = self._management.read_alarms()
            self._ask_for_alarms_at = self._clock() + ALARMS_SECONDS
        return Reading(totals, self._alarms)


def _list_delay_queues(queue: RabbitMQReference) -> Iterator[str]:
    """Return all queues in which items of the queue may rest."""
    yield from queue.delay_queues
    if queue.chosen_delays is not None:
        yield queue.chosen_delays
    yield from queue.list_chosen_delay_queues()


async def _count_dead_lettered(
    queue: str | None, side: SideQueueCounter, totals: Totals
) -> int | None:
    if queue is None:
        return None
    known = None if isinstance(totals, DepthWarning) else totals.get(queue)
    if known is not None and known.type == "classic" and known.ready is not None:
        return known.ready + (known.unacked or 0)
    try:
        return await side.count(queue)
    except (MeasurementUnreliable, QueueTypeUnsupported):
        # Unknown dead letters are no reason to raise: the queue's own depth is known.
        return None


def connect(settings: RabbitMQConnection) -> RabbitMQProbe:
    """Prepare a probe; raise a QueueError for a host or TLS material that can't be used."""
    return RabbitMQProbe(settings)
