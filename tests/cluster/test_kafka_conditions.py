"""What may be wrong with a Kafka topic is said in a condition each, with what to do about it."""

from typing import Any

import pytest

from dev import environment
from dev.workspaces.prepared import KAFKA_HOST
from dev.workspaces.worker_jobs import a_kafka_topic, a_worker_job, ended_as
from dev.workspaces.workspace import Manifest, Workspace, message_of, reason_of

from .kafka import Kafka

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

PASSWORD = "s3cret-no-more"
STRANGER = """
import pathlib, sys
from confluent_kafka import Consumer

server, topic = sys.argv[1:]
settings = {"bootstrap.servers": server, "group.id": topic, "session.timeout.ms": 6000}
consumer = Consumer({**settings, "client.id": "stranger", "enable.auto.commit": False})
consumer.subscribe([topic])
while True:
    consumer.poll(1)
    if consumer.assignment():
        pathlib.Path("/tmp/joined").touch()
"""

SERVICE_WITHOUT_ENDPOINTS = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "nobody"},
    "spec": {"ports": [{"name": "kafka", "port": 9092}]},
}

WORDS = {
    "topic-missing": (
        "QueueNotFound",
        ("topic 'wqj-test-", "not found on", "create it"),
    ),
    "group-shared": (
        "ConsumerGroupInUse",
        ("not of this run: 1 other program", "Stop them", "a spec.queue.kafka.consumerGroup that"),
    ),
    "password-wrong": (
        "AuthenticationFailed",
        (":9093: login of user 'guest' by PLAIN refused", "sasl.credentialsSecretRef"),
    ),
    "host-unknown": (
        "ConnectionFailed",
        ("nowhere.wqj-test-", ":9092: unknown host", "correct spec.queue.kafka.bootstrapServers"),
    ),
    "port-refused": (
        "ConnectionFailed",
        ("nobody.wqj-test-", ":9092: refused", "correct spec.queue.kafka.bootstrapServers"),
    ),
}


def test_every_obstacle_has_its_reason_and_its_remedy(workspace: Workspace, kafka: Kafka) -> None:
    topic, missing = workspace.queue, f"{workspace.queue}.missing"
    kafka.create_topic(topic)
    kafka.produce(topic, [("key", "item")])
    login = {"name": "kafka"}
    sasl = {"mechanism": "PLAIN", "credentialsSecretRef": login}
    changes: dict[str, Manifest] = {
        "topic-missing": {"topic": missing, "consumerGroup": missing},
        "group-shared": {},
        "password-wrong": {"bootstrapServers": [f"{KAFKA_HOST}:9093"], "sasl": sasl},
        "host-unknown": {"bootstrapServers": ["nowhere:9092"]},
        "port-refused": {"bootstrapServers": ["nobody:9092"]},
    }
    assert changes.keys() == WORDS.keys()
    workspace.apply(_login("guest", PASSWORD), SERVICE_WITHOUT_ENDPOINTS, _stranger(topic))
    workspace.kubectl("wait", "--for=condition=Ready", "pod/stranger", "--timeout=60s")
    workspace.apply(*(_broken(workspace, name, change) for name, change in changes.items()))

    for name, (reason, words) in WORDS.items():
        said = workspace.wait_for_reason(name, "QueueReachable", reason, seconds=60)
        message = message_of(said, "QueueReachable")
        assert [word for word in words if word not in message] == [], message
        assert PASSWORD not in str(said)
        assert reason_of(said, "Progressing") == "QueueUnavailable"
        assert "waves" not in said["status"] or said["status"]["waves"] == 0

    workspace.kubectl("delete", "pod/stranger", "--grace-period=1")
    kafka.create_topic(missing)
    for name, reason in (("group-shared", "Drained"), ("topic-missing", "QueueEmpty")):
        assert ended_as(workspace.wait_for_end(name, seconds=90)) == ("Complete", reason)


def _broken(workspace: Workspace, name: str, change: Manifest) -> Manifest:
    queue = a_kafka_topic(workspace, **change)
    return a_worker_job(workspace, name, queue=queue, retry={"onExhausted": "Discard"})


def _login(username: str, password: str) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "kafka"},
        "stringData": {"username": username, "password": password},
    }


def _stranger(topic: str) -> dict[str, Any]:
    """Return a pod that joins the group, and is ready when it has."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "stranger"},
        "spec": {
            "containers": [
                {
                    "name": "consumer",
                    "image": environment.INJECTED.local_reference,
                    "imagePullPolicy": "IfNotPresent",
                    "command": ["python3", "-c", STRANGER, f"{KAFKA_HOST}:9092", topic],
                    "readinessProbe": {
                        "exec": {"command": ["python3", "-c", "open('/tmp/joined')"]},
                        "periodSeconds": 1,
                        "timeoutSeconds": 5,
                    },
                }
            ]
        },
    }
