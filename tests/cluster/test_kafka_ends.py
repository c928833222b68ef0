"""Ends of a Kafka topic that are no items: what a run leaves there is nothing."""

import pytest

from dev.workspaces.worker_jobs import a_kafka_topic, a_worker_job, ended_as
from dev.workspaces.workspace import Workspace, poll

from .kafka import Kafka
from .kafka_records import deal_records

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]


@pytest.mark.nightly
def test_transactions_and_compaction_leave_no_phantom_item(
    workspace: Workspace, kafka: Kafka
) -> None:
    topics = {
        "compacted": _compact(workspace, kafka),
        "transactions": _write_transactions(workspace, kafka),
    }
    for name, topic in topics.items():
        queue = a_kafka_topic(workspace, topic=topic, consumerGroup=topic)
        retry = {"onExhausted": "Discard"}
        workspace.apply(a_worker_job(workspace, name, queue=queue, retry=retry))

    for name, topic in topics.items():
        ended = workspace.wait_for_end(name, seconds=90)

        assert ended_as(ended) == ("Complete", "Drained")
        items = [value for _partition, _offset, _key, value in kafka.read(topic)]
        printed = [line for line in workspace.logs(name) if line in set(items)]
        assert sorted(printed) == sorted(items)
        counted = ended["status"]["items"]
        assert (counted["succeeded"], counted["remaining"]) == (len(items), 0)
        assert counted["total"] == len(items)
        assert ended["status"]["queue"]["ready"] == 0
        assert kafka.lag(topic, topic) == 0


def _write_transactions(workspace: Workspace, kafka: Kafka) -> str:
    """Return a topic of which each partition ends in what was aborted, and in its marker."""
    topic = f"{workspace.queue}.transactions"
    kafka.create_topic(topic, partitions=2)
    seen, unseen = deal_records(keys=4, each=5), [("key-00", "never"), ("key-01", "seen")] * 5
    kafka.produce_in_transactions(
        topic, [(True, seen[:10]), (False, unseen), (True, seen[10:]), (False, unseen)]
    )
    return topic


def _compact(workspace: Workspace, kafka: Kafka) -> str:
    """Return a topic that has holes where older values of its one key were."""
    topic = f"{workspace.queue}.compacted"
    kafka.create_topic(
        topic,
        cleanup_policy="compact",
        segment_ms="200",
        min_cleanable_dirty_ratio="0.01",
        max_compaction_lag_ms="200",
    )
    kafka.produce(topic, [("same", f"old-{number}") for number in range(30)])

    def add_and_read() -> list[tuple[int, int, str, str]]:
        # What is written makes the log roll, without which nothing is compacted.
        kafka.produce(topic, [("same", "new")])
        return kafka.read(topic)

    poll(add_and_read, lambda left: len(left) < left[-1][1], seconds=60)
    return topic
