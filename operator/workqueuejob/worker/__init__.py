"""The worker: takes items, has them worked on, and settles them; at least once, whatever dies.

    from workqueuejob.worker import Worker

    for item in Worker():
        with item:
            convert(item.body)

Travels into any image, so it needs nothing but the standard library and a broker's client. It knows
no Kubernetes: everything it is told stands in its environment, and what it has done, in its
container's termination message.
"""

from workqueuejob.worker.library import Item, Worker

__all__ = ["Item", "Worker"]
