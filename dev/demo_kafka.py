#!/usr/bin/env python3
"""Read 180 letters from a Kafka topic by a model, on a cluster that is started if there is none.

`KUBE_CONTEXT` and `IMAGE_REGISTRY` name another cluster. You can run it again at once.
"""

import sys
from pathlib import Path

from dev import environment
from dev.environment import Cluster
from dev.local.console import step
from dev.shown_run import NAMESPACE, run_demo, show, watch_run

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = ROOT / "examples" / "kafka-inference"
NAME = "readers"
TOPICS = {"digits": 6, "readings": 3, "digits-failed": 1}
"""The number of partitions of each topic."""
LETTER = "letter-042"
MESSAGES = 900
LIMIT_SECONDS = 180
IN_NAMESPACE = ("-n", NAMESPACE)


def main() -> bool:
    """Return whether both runs are complete: over the letters, and over the same ones again."""
    cluster = environment.connect()
    _install(cluster)
    _write_letters(cluster)
    _show_kafka(cluster, "kafka-topics.sh", "--describe", "--topic", "digits")
    if not _run(cluster):
        return False
    _show_readings(cluster)
    _show_kafka(cluster, "kafka-consumer-groups.sh", "--describe", "--group", NAME)
    print("\nEverything is read. The same once more, from the first message on:", flush=True)
    _delete(cluster, f"wqj/{NAME}")
    group = ("--group", NAME, "--topic", "digits")
    reset = ("--reset-offsets", "--to-earliest", "--execute")
    _show_kafka(cluster, "kafka-consumer-groups.sh", *group, *reset)
    return _run(cluster)


def _install(cluster: Cluster) -> None:
    for image in (*environment.INSTALLED, environment.KAFKA, environment.DIGITS):
        cluster.build(image)
    with step("install the operator with Helm"):
        cluster.install_operator()
    with step("start Kafka"):
        cluster.apply((EXAMPLE / "kafka.yaml").read_text(), namespace=NAMESPACE)
        cluster.kubectl("rollout", "status", "statefulset/kafka", *IN_NAMESPACE, "--timeout=180s")


def _write_letters(cluster: Cluster) -> None:
    with step(f"make the topics {', '.join(TOPICS)}"):
        _delete(cluster, "job/write-letters", f"wqj/{NAME}")
        for topic, partitions in TOPICS.items():
            name = ("--topic", topic)
            _ask_kafka(cluster, "kafka-topics.sh", "--delete", "--if-exists", *name)
            _ask_kafka(
                cluster, "kafka-topics.sh", "--create", *name, "--partitions", str(partitions)
            )
    with step(f"let three producers write {MESSAGES} images"):
        cluster.apply((EXAMPLE / "write.yaml").read_text(), namespace=NAMESPACE)
        complete = ("--for=condition=Complete", "job/write-letters", "--timeout=120s")
        cluster.kubectl("wait", *complete, *IN_NAMESPACE)


def _run(cluster: Cluster) -> bool:
    return watch_run(cluster, EXAMPLE / "workqueuejob.yaml", NAME, limit_seconds=LIMIT_SECONDS)


def _show_readings(cluster: Cluster) -> None:
    """Print one letter's readings, which are in the order of its digits."""
    everything = ("--topic", "readings", "--from-beginning", "--max-messages", str(MESSAGES))
    readings = _ask_kafka(
        cluster, "kafka-console-consumer.sh", *everything, "--property", "print.key=true"
    )
    print(f"\nWhat was read on {LETTER}, whose digits are all in one partition:")
    print("\n".join(line for line in readings.splitlines() if line.startswith(LETTER)), flush=True)


def _show_kafka(cluster: Cluster, *command: str) -> None:
    show(cluster, *_kafka(*command))


def _ask_kafka(cluster: Cluster, *command: str) -> str:
    return cluster.kubectl(*IN_NAMESPACE, *_kafka(*command)).stdout


def _kafka(program: str, *arguments: str) -> tuple[str, ...]:
    """Return the words after kubectl that run one of Kafka's programs."""
    server = ("--bootstrap-server", "kafka:9092")
    return ("exec", "kafka-0", "--", program, *server, *arguments)


def _delete(cluster: Cluster, *objects: str) -> None:
    cluster.kubectl("delete", *objects, *IN_NAMESPACE, "--ignore-not-found")


if __name__ == "__main__":
    sys.exit(run_demo(main))
