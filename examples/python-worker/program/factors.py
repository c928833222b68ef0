"""Factors numbers, each the body of one message."""

from workqueuejob.worker import Worker


def factor(number: int) -> list[int]:
    """Return the prime factors, smallest first."""
    factors, divisor = [], 2
    while divisor * divisor <= number:
        if number % divisor:
            divisor += 1
        else:
            number //= divisor
            factors.append(divisor)
    return [*factors, number]


for item in Worker():
    # The end of the block acknowledges the item; after an exception it is tried again.
    with item:
        number = int(item.text)
        print(f"{number} = {' * '.join(map(str, factor(number)))}")
