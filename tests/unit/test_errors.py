"""The tree that the errors' docstring draws is the tree of their classes."""

import re

from workqueuejob import errors
from workqueuejob.errors import WorkQueueJobError

_LINE = re.compile(r"^ {4}(?P<indent>[│ ├└─]*)(?P<name>[A-Z]\w+)", re.MULTILINE)


def draw(error: type[WorkQueueJobError], depth: int = 0) -> list[tuple[int, str]]:
    """Return the depth and the name of a class and of those below it, as the module has them."""
    own = [child for child in error.__subclasses__() if child.__module__ == errors.__name__]
    return [(depth, error.__name__), *(line for child in own for line in draw(child, depth + 1))]


def test_docstring_draws_every_error_at_its_place() -> None:
    drawn = [
        (len(line["indent"]) // 4, line["name"]) for line in _LINE.finditer(errors.__doc__ or "")
    ]

    assert drawn == draw(WorkQueueJobError)
