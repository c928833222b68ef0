"""One prepared cluster for all tests, and a namespace for each.

Tests run side by side; the few that disturb the operator take the lock that all others share.
"""

import fcntl
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .broker import Broker, forwarded_broker
from .prepared import Prepared, prepare
from .workspace import Workspace


@contextmanager
def _lock(path: Path, kind: int) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, kind)
        yield


@pytest.fixture(scope="session")
def shared_directory(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """The directory that all workers of one test run have in common."""
    base = tmp_path_factory.getbasetemp()
    return base if worker_id == "master" else base.parent


@pytest.fixture(scope="session")
def prepared(shared_directory: Path) -> Prepared:
    with _lock(shared_directory / "prepare.lock", fcntl.LOCK_EX):
        return prepare()


@pytest.fixture(scope="session")
def broker(prepared: Prepared) -> Iterator[Broker]:
    with forwarded_broker(prepared.cluster) as forwarded:
        yield forwarded


@pytest.fixture
def disturbs_the_operator(request: pytest.FixtureRequest) -> bool:
    return request.node.get_closest_marker("disturbs_the_operator") is not None


@pytest.fixture
def workspace(
    prepared: Prepared, broker: Broker, shared_directory: Path, *, disturbs_the_operator: bool
) -> Iterator[Workspace]:
    """A namespace and a queue of the test's own; both are gone afterwards."""
    name = f"wqj-test-{uuid.uuid4().hex[:8]}"
    cluster = prepared.cluster
    kind = fcntl.LOCK_EX if disturbs_the_operator else fcntl.LOCK_SH
    with _lock(shared_directory / "operator.lock", kind):
        cluster.kubectl("create", "namespace", name)
        cluster.kubectl("label", "namespace", name, "wqj-test=true")
        try:
            yield Workspace(cluster, broker, name)
        finally:
            cluster.kubectl("delete", "namespace", name, "--wait=false")
            with broker.channel() as channel:
                channel.queue_delete(name)
