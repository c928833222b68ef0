"""Opens and closes the operator's AMQP connections on a loop, each within a few seconds."""

import asyncio
from contextlib import suppress
from functools import partial
from typing import Any

import pika

from workqueuejob.brokers.rabbitmq.asking_connection import AskingConnection, ConnectionLoop
from workqueuejob.brokers.rabbitmq.errors import translate
from workqueuejob.brokers.rabbitmq.settings import RabbitMQConnection

OPEN_SECONDS = 8.0
"""For all of a name's addresses. Each has four seconds."""

CLOSE_SECONDS = 1.0


async def open_connection(
    loop: asyncio.AbstractEventLoop,
    settings: RabbitMQConnection,
    parameters: list[pika.ConnectionParameters],
) -> Any:
    """Return an open AskingConnection; raise a QueueError when that fails.

    parameters: pika's, for each of the host's addresses.
    """
    outcome: asyncio.Future[Any] = loop.create_future()
    seen = ConnectionLoop(loop)
    workflow = AskingConnection.create_connection(
        parameters, on_done=partial(settle, outcome), custom_ioloop=seen
    )
    await asyncio.wait([outcome], timeout=OPEN_SECONDS)
    if not outcome.done():
        outcome.cancel()
        workflow.abort()
        raise translate(TimeoutError(), settings)
    opened = outcome.result()
    if isinstance(opened, BaseException):
        raise translate(seen.refused or opened, settings)
    return opened


async def close_connection(loop: asyncio.AbstractEventLoop, connection: Any) -> None:
    """Close a connection by the protocol if the broker answers in time; never raises."""
    with suppress(Exception):
        if connection.is_open:
            closed: asyncio.Future[Any] = loop.create_future()
            connection.add_on_close_callback(lambda *_: settle(closed, None))
            connection.close()
            await asyncio.wait([closed], timeout=CLOSE_SECONDS)
    with suppress(Exception):
        connection.cut_off()


def settle(future: "asyncio.Future[Any]", result: Any) -> None:
    """Keep what a callback brings. A connection that comes too late is closed."""
    if not future.done():
        future.set_result(result)
    elif isinstance(result, AskingConnection):
        result.cut_off()
