"""examples/kafka-inference: letters read by a model, and read again from the start."""

import json
from collections import defaultdict

import pytest

from dev.workspaces.workspace import Manifest, Workspace, reason_of

from .examples import drain, run_to_end, start_broker

pytestmark = [pytest.mark.cluster, pytest.mark.starts_early, pytest.mark.timeout(600)]

TOPICS = {"digits": 6, "readings": 3, "digits-failed": 1}
MESSAGES = 900


@pytest.mark.nightly
def test_letters_are_read_in_the_order_of_their_digits_and_again_after_a_reset(
    workspace: Workspace,
) -> None:
    start_broker(workspace, "kafka-inference/kafka.yaml", workload="statefulset/kafka")
    for topic, partitions in TOPICS.items():
        named = ("--create", "--topic", topic, "--partitions", str(partitions))
        ask_kafka(workspace, "kafka-topics.sh", *named)
    run_to_end(workspace, "kafka-inference/write.yaml", job="write-letters")

    assert_everything_is_read(drain(workspace, "kafka-inference/workqueuejob.yaml", "readers"))

    written, read = list_values(workspace, "digits"), list_values(workspace, "readings")
    assert len(written) == len(read) == 180
    # A letter's digits are told apart by what was written, which the model does not see.
    assert {letter: [one["written"] for one in digits] for letter, digits in read.items()} == {
        letter: [one["written"] for one in digits] for letter, digits in written.items()
    }
    right = sum(one["read"] == one["written"] for digits in read.values() for one in digits)
    assert right == 872
    assert find_lag(workspace) == 0

    workspace.kubectl("delete", "wqj/readers")
    reset = ("--topic", "digits", "--reset-offsets", "--to-earliest", "--execute")
    ask_kafka(workspace, "kafka-consumer-groups.sh", "--group", "readers", *reset)
    assert_everything_is_read(drain(workspace, "kafka-inference/workqueuejob.yaml", "readers"))


def assert_everything_is_read(ended: Manifest) -> None:
    assert reason_of(ended, "Complete") == "Drained"
    items = ended["status"]["items"]
    assert (items["total"], items["succeeded"], items["remaining"]) == (MESSAGES, MESSAGES, 0)
    assert ended["status"]["queue"]["deadLettered"] == 0


def list_values(workspace: Workspace, topic: str) -> dict[str, list[Manifest]]:
    """Return the values of each key, in their order."""
    options = ("--topic", topic, "--from-beginning", "--property", "print.key=true")
    read = ask_kafka(
        workspace, "kafka-console-consumer.sh", *options, "--max-messages", str(MESSAGES)
    )
    found: dict[str, list[Manifest]] = defaultdict(list)
    for line in read.splitlines():
        key, _, value = line.partition("\t")
        found[key].append(json.loads(value))
    return found


def find_lag(workspace: Workspace) -> int:
    """Return the sum of the group's lags, as Kafka's own program tells them."""
    told = ask_kafka(workspace, "kafka-consumer-groups.sh", "--describe", "--group", "readers")
    header, *rows = (line.split() for line in told.splitlines() if line.strip())
    return sum(int(row[header.index("LAG")]) for row in rows)


def ask_kafka(workspace: Workspace, program: str, *arguments: str) -> str:
    """Ask as the README does."""
    server = ("--bootstrap-server", "kafka:9092")
    return workspace.kubectl("exec", "kafka-0", "--", program, *server, *arguments)
