"""The order in which tests begin."""

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes long; the many short ones fill what time is left on any worker."""
    items.sort(key=lambda item: item.get_closest_marker("starts_early") is None)
