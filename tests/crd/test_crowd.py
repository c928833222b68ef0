"""One process of the operator before an API server that is full."""

import re
from collections.abc import Iterator

import pytest
import yaml

from dev.servers.redis import RedisServer
from tests.crowd import create_finished_pods, create_foreign_jobs

from .api_server import REPOSITORY, ApiServer
from .crowd import create_idle_runs, read_peak_megabytes
from .replicas import Election, Replica
from .waiting import wait_for

pytestmark = [
    pytest.mark.apiserver,
    pytest.mark.redis,
    pytest.mark.crowd,
    pytest.mark.timeout(400),
]

VALUES = REPOSITORY / "deploy" / "chart" / "values.yaml"


@pytest.fixture
def empty(api_server: ApiServer) -> Iterator[ApiServer]:
    yield api_server
    for kind in ("wqj", "jobs", "pods"):
        api_server.kubectl("delete", kind, "--all", "--wait=false", "--grace-period=0", "--force")


def limit_megabytes() -> int:
    """Return the memory that the chart gives the operator."""
    limit = yaml.safe_load(VALUES.read_text())["resources"]["limits"]["memory"]
    found = re.fullmatch(r"(\d+)Mi", limit)
    assert found, limit
    return int(found.group(1))


def count_taken_up(replica: Replica) -> int:
    """Return how many WorkQueueJobs the operator knows and has looked at."""
    pattern = r'^wqj_workqueuejobs\{[^}]*reason="(?!Unknown)[^}]*\} (\d+)'
    return sum(int(n) for n in re.findall(pattern, replica.get("/metrics")[1], re.MULTILINE))


def test_two_thousand_idle_runs_fit_into_the_charts_memory(
    empty: ApiServer, election: Election, redis_server: RedisServer
) -> None:
    create_idle_runs(empty, 2000, port=redis_server.port)

    with election.running("first") as replica:
        replica.await_ready(seconds=60)
        wait_for(lambda: count_taken_up(replica) == 2000, seconds=200, what="2000 taken up")

        assert replica.process.poll() is None
        assert read_peak_megabytes(replica.process.pid) < limit_megabytes()
        assert election.holder() == "first"


def test_large_objects_of_others_and_of_ours_cost_nothing_that_stays(
    empty: ApiServer, election: Election, redis_server: RedisServer
) -> None:
    create_foreign_jobs(empty.objects.api_client, 500)
    create_finished_pods(empty.objects.api_client, 500)
    create_idle_runs(empty, 1, port=redis_server.port)
    # Fields that no pod has, of few bytes and many objects.
    template = {"spec": {"containers": [{"name": "c", "image": "i"}], "x": [{}] * 400_000}}
    create_idle_runs(
        empty, 12, port=redis_server.port, prefix="large", template=template, suspend=True
    )

    with election.running("first") as replica:
        replica.await_ready(seconds=60)
        wait_for(lambda: count_taken_up(replica) == 13, seconds=150, what="13 taken up")
        assert read_peak_megabytes(replica.process.pid) < limit_megabytes()
