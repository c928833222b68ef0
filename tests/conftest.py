"""The order in which tests begin, who runs them, and what the suites can be told."""

import re

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling
from xdist.scheduler.protocol import Scheduling

from tests.model.profiles import is_short

IN_RUNTIME = "--in-runtime"
COSTLY = {
    "kube-apiserver": re.compile(r"tests/crd/"),
    # Where Kafka is needed, the runtime that travels into pods often is, too.
    "Kafka": re.compile(r"tests/contract/.*(kafka|runtime)|tests/unit/test_worker_runtime"),
    "RabbitMQ": re.compile(r"tests/contract/.*(rabbitmq|classic|quorum)"),
}
"""What takes long to make, and the ids of the tests that share it."""

# On a busy machine an example may take long, and is right even so.
settings.register_profile(
    "unhurried",
    max_examples=30 if is_short() else 100,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("unhurried")


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


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling | None:
    """Let one process run all that shares what is costly, and otherwise a file at a time."""
    is_by_file = config.getoption("dist") == "loadfile"
    return ByCost(config, log) if is_by_file else None


class ByCost(LoadScopeScheduling):  # type: ignore[misc] # It has no types
    """Makes each costly server once, in one process, and not in every process that needs it."""

    def _split_scope(self, nodeid: str) -> str:
        shared = (name for name, ids in COSTLY.items() if ids.match(nodeid))
        return next(shared, nodeid.partition("::")[0])
