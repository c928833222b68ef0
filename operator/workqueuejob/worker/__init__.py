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

from workqueuejob.worker.library import Item, Worker

__all__ = ["Item", "Worker"]
