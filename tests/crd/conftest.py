"""One API server for a test session; with pytest-xdist, one for each worker that asks for it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from dev.servers.redis import redis_server

from .api_server import ApiServer, Create, running_api_server
from .manifests import Manifest, build_manifest
from .replicas import Election

__all__ = ["redis_server"]


@pytest.fixture(scope="session")
def api_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    with running_api_server(tmp_path_factory.mktemp("control-plane")) as server:
        yield server


@pytest.fixture
def election(api_server: ApiServer, tmp_path: Path) -> Iterator[Election]:
    election = Election(api_server, tmp_path)
    yield election
    election.remove()


@pytest.fixture
def create(api_server: ApiServer) -> Iterator[Create]:
    """Creates objects that go when the test ends."""
    created: list[str] = []

    def create_job(changes: Manifest) -> str:
        manifest = build_manifest(changes)
        manifest["metadata"] = {"generateName": "fruits-"}
        name: str = api_server.create(manifest)["metadata"]["name"]
        created.append(name)
        return name

    yield create_job
    for name in created:
        api_server.delete(name)
