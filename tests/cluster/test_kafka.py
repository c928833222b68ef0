"""A Kafka topic is drained in the order of each key, with nothing left of it."""

import pytest

from dev import environment
from dev.workspaces.worker_jobs import a_kafka_topic, a_worker_job, assert_ledger_adds_up, ended_as
from dev.workspaces.workspace import Workspace

from .kafka import Kafka
from .kafka_records import assert_order_of_keys, deal_records, list_processed

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]


@pytest.mark.nightly
def test_three_workers_drain_six_partitions_in_the_order_of_each_key(
    workspace: Workspace, kafka: Kafka
) -> None:
    records = deal_records(keys=40, each=50)
    kafka.create_topic(workspace.queue, partitions=6)
    kafka.produce(workspace.queue, records)
    workspace.apply(
        a_worker_job(
            workspace,
            "ordered",
            queue=a_kafka_topic(workspace),
            # In an image without a Python, into which the client library is brought.
            container={"image": environment.BUSYBOX.local_reference},
            parallelism=3,
            retry={"onExhausted": "Discard"},
        )
    )

    ended = workspace.wait_for_end("ordered", seconds=150)

    assert ended_as(ended) == ("Complete", "Drained")
    assert_ledger_adds_up(ended)
    counted = ended["status"]["items"]
    assert (counted["total"], counted["succeeded"], counted["remaining"]) == (2000, 2000, 0)
    assert ended["status"]["queue"]["ready"] == 0
    assert kafka.lag(workspace.queue, workspace.queue) == 0
    header, line = workspace.kubectl("get", "wqj", "ordered").splitlines()
    assert dict(zip(header.split(), line.split(), strict=False))["QUEUED"] == "0"
    processed = list_processed(workspace, "ordered", records)
    assert len(processed) == 2000
    assert_order_of_keys(processed, records)
