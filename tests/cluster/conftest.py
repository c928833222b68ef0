"""One prepared cluster for all tests, and a namespace for each.

Tests run side by side; the few that disturb the operator take the lock that all others share.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from dev import environment
from dev.environment import Cluster
from dev.workspaces.broker import Broker, forwarded_broker
from dev.workspaces.prepared import IS_PREPARED, prepare
from dev.workspaces.redis import Redis, forwarded_redis
from dev.workspaces.workspace import Workspace, open_workspace

from .kafka import Kafka
from .locks import locked


@pytest.fixture(scope="session")
def shared_directory(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """The directory that all workers of one test run have in common."""
    base = tmp_path_factory.getbasetemp()
    return base if worker_id == "master" else base.parent


@pytest.fixture(scope="session")
def cluster(shared_directory: Path) -> Cluster:
    """The prepared cluster; the first of the workers prepares it for all."""
    if IS_PREPARED in os.environ:
        return environment.connect()
    done = shared_directory / "prepared"
    with locked(shared_directory / "prepare.lock", fcntl.LOCK_EX):
        if done.exists():
            return environment.connect()
        prepared = prepare()
        done.touch()
        return prepared


@pytest.fixture(scope="session")
def broker(cluster: Cluster) -> Iterator[Broker]:
    with forwarded_broker(cluster) as forwarded:
        yield forwarded


@pytest.fixture(scope="session")
def redis(cluster: Cluster) -> Iterator[Redis]:
    with forwarded_redis(cluster) as forwarded:
        yield forwarded


@pytest.fixture
def disturbs_the_operator(request: pytest.FixtureRequest) -> bool:
    return request.node.get_closest_marker("disturbs_the_operator") is not None


@pytest.fixture
def operator_to_share(shared_directory: Path, *, disturbs_the_operator: bool) -> Iterator[None]:
    """Hold the operator with the other tests, or alone to disturb it.

    Whoever waits stands in the door, so that those who share can't keep the one who wants it
    alone waiting by always being one more.
    """
    kind = fcntl.LOCK_EX if disturbs_the_operator else fcntl.LOCK_SH
    with ExitStack() as held:
        with locked(shared_directory / "operator.door", fcntl.LOCK_EX):
            held.enter_context(locked(shared_directory / "operator.lock", kind))
        yield


@pytest.fixture
def workspace(cluster: Cluster, broker: Broker, operator_to_share: None) -> Iterator[Workspace]:
    """A namespace and a queue of the test's own; both are gone afterwards."""
    opened = open_workspace(cluster, broker)
    try:
        yield opened
    finally:
        opened.close()


@pytest.fixture
def kafka(cluster: Cluster, workspace: Workspace) -> Iterator[Kafka]:
    """The Kafka; topics and groups that begin with the workspace's name are gone afterwards."""
    found = Kafka(cluster)
    yield found
    found.delete(workspace.queue)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """End with the mishaps, which are many and short."""
    items.sort(key=lambda item: "mishap" in getattr(item, "fixturenames", ()))
