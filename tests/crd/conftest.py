"""One API server for a test session; with pytest-xdist, one for each worker that asks for it."""

from collections.abc import Iterator

import pytest

from .api_server import ApiServer, running_api_server


@pytest.fixture(scope="session")
def api_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    with running_api_server(tmp_path_factory.mktemp("control-plane")) as server:
        yield server
