"""Workers on a Kafka topic that are killed: nothing is lost, and the order of each key stays."""

from collections.abc import Callable

import pytest

from dev.environment import Cluster
from dev.workspaces.worker_jobs import (
    a_kafka_topic,
    a_worker_job,
    assert_ledger_adds_up,
    ended_as,
    print_stdin_after,
)
from dev.workspaces.workspace import Workspace

from .kafka import Kafka
from .kafka_records import assert_order_of_keys, deal_records, list_processed
from .worker_process import kill_at_random

pytestmark = [pytest.mark.cluster, pytest.mark.starts_early, pytest.mark.timeout(300)]


def test_killed_workers_lose_nothing_and_keep_the_order(
    cluster: Cluster,
    workspace: Workspace,
    kafka: Kafka,
    record_property: Callable[[str, object], None],
) -> None:
    records = deal_records(keys=20, each=15)
    kafka.create_topic(workspace.queue, partitions=6)
    kafka.produce(workspace.queue, records)
    workspace.apply(
        a_worker_job(
            workspace,
            "killed",
            queue=a_kafka_topic(workspace),
            command=print_stdin_after(0.1),
            parallelism=3,
            # A kill is an attempt of the item in hand, and a pod that failed.
            retry={"maxLostAttempts": 10, "onExhausted": "Discard"},
            backoffLimit=12,
        )
    )

    # All that began, before others come in their place: the group misses a member after 45 s only.
    kills = kill_at_random(cluster, workspace, "killed", kills=3, seed=6, pause=0.7)

    ended = workspace.wait_for_end("killed", seconds=200)
    assert ended_as(ended) == ("Complete", "Drained")
    processed = list_processed(workspace, "killed", records)
    repeats = len(processed) - len(records)
    record_property("repeats", repeats)
    assert 0 <= repeats <= len(kills)
    assert_order_of_keys(processed, records)
    assert_ledger_adds_up(ended)
    counted = ended["status"]["items"]
    # What a worker settled last, and was killed before it could say so, may be in no report.
    assert len(records) - len(kills) <= counted["succeeded"] <= len(records)
    assert (counted["total"], counted["remaining"]) == (counted["succeeded"], 0)
    assert counted["succeeded"] == len(records) or counted["accounting"] == "Inferred"
    assert kafka.lag(workspace.queue, workspace.queue) == 0
