"""The order in which tests begin, and what the suites can be told on the command line."""

import pytest

IN_RUNTIME = "--in-runtime"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the choice of the Python that workers run under."""
    parser.addoption(
        IN_RUNTIME,
        action="store_true",
        help="hold the runtime that travels into pods to the worker's contract",
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes long; the many short ones fill what time is left on any worker."""
    items.sort(key=lambda item: item.get_closest_marker("starts_early") is None)
