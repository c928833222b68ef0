"""Tries the work on a laptop: the queue is in memory, so neither broker nor cluster is needed."""

import os

from workqueuejob.worker import Item, Worker
from workqueuejob.worker.memory import Envelope, MemoryQueue


def work(item: Item) -> None:
    """Print half of the number in the item, and where that goes."""
    number = int(item.text)
    print(f"{item.headers['to']} gets {number / 2:g}")


def main() -> None:
    """Work on two items, of which one is not a number."""
    os.environ |= {"BROKER_URL": "memory://", "QUEUE": "numbers"}
    queue = MemoryQueue.named("numbers")
    queue.put(b"9", b"seven", envelope=Envelope(headers={"to": "ann"}))
    Worker().run(work)
    for letter in queue.dead_letters:
        print(f"put aside after {letter.attempts} attempts: {letter.reason}")


if __name__ == "__main__":
    main()
