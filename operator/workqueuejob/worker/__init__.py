"""The worker: takes items, has them worked on, and settles them.

Each item is worked on at least once.

    from workqueuejob.worker import Worker

    for item in Worker():
        with item:
            convert(item.body)

It travels into any image, so it needs nothing but the standard library and the brokers' clients. It
never talks to Kubernetes: it reads its settings from its environment, and writes its counts to its
container's termination message.
"""

from typing import TYPE_CHECKING, Any

from workqueuejob.worker.library import Item, Worker

if TYPE_CHECKING:
    from workqueuejob.worker.async_library import AsyncItem, AsyncWorker

__all__ = ["AsyncItem", "AsyncWorker", "Item", "Worker"]


def __getattr__(name: str) -> Any:
    # Imported only where it is used, because asyncio would double the time that a worker starts in.
    if name in ("AsyncItem", "AsyncWorker"):
        from workqueuejob.worker import async_library

        return getattr(async_library, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
