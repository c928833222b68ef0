"""What is said of a queue that was measured."""


def measured(address: str, interval_seconds: int) -> str:
    """Return that a queue was measured, and how seldom that is, where a person should know it.

    No numbers of items: they stand in status.queue, and would change this with every item.
    interval_seconds: 0 where the interval needs no words.
    """
    if not interval_seconds:
        return f"{address} was measured"
    return (
        f"{address} was measured; the operator has so many queues to measure that it looks at this"
        f" one every {interval_seconds} s or less often"
    )
