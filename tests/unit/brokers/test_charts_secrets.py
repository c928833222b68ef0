"""Secrets as charts and operators of brokers write them: each fits by fields of the spec alone.

docs/reference.md has the same list for users.
"""

from collections.abc import Mapping
from typing import Any

import pytest

from workqueuejob.api import QueueSource
from workqueuejob.brokers.environ import Environment
from workqueuejob.brokers.hosts import ALL_HOSTS
from workqueuejob.brokers.registry import find_room
from workqueuejob.brokers.resolving import resolve_connection

PASSWORD = b"p4ssw0rd"

RABBITMQ_CLUSTER_OPERATOR = {
    "connection_string": b"amqp://default_user_x:p4ssw0rd@mq.shop.svc:5672/",
    "default_user.conf": b"default_user = default_user_x\ndefault_pass = p4ssw0rd\n",
    "host": b"mq.shop.svc",
    "password": PASSWORD,
    "port": b"5672",
    "provider": b"rabbitmq",
    "type": b"rabbitmq",
    "username": b"default_user_x",
}
BITNAMI_RABBITMQ = {"rabbitmq-erlang-cookie": b"cookie", "rabbitmq-password": PASSWORD}
BITNAMI_REDIS = {"redis-password": PASSWORD}
REDIS_OPERATOR = {"password": PASSWORD}
"""OpsTree's and Spotahome's operators read a Secret of this form."""
KUBEDB_REDIS = {"username": b"default", "password": PASSWORD}
STRIMZI_USER = {
    "password": PASSWORD,
    "sasl.jaas.config": b'org.apache.kafka.common.security.scram.ScramLoginModule required;"',
}
BITNAMI_KAFKA = {
    "client-passwords": PASSWORD,
    "inter-broker-password": b"other",
    "controller-password": b"other",
    "system-user-password": b"other",
}

Fields = dict[str, Any]


def rabbitmq(**fields: Any) -> Fields:
    return {"rabbitmq": {"queue": "q", **fields}}


def redis(**fields: Any) -> Fields:
    return {"redis": {"host": "redis", "list": {"key": "k"}, **fields}}


def kafka(username: str | None = None, **reference: str) -> Fields:
    sasl: Fields = {"mechanism": "SCRAM-SHA-512"}
    sasl["credentialsSecretRef"] = {"name": "s", **reference}
    if username is not None:
        sasl["username"] = username
    return {
        "kafka": {"bootstrapServers": ["k:9092"], "topic": "t", "consumerGroup": "g", "sasl": sasl}
    }


CHARTS = [
    pytest.param(
        RABBITMQ_CLUSTER_OPERATOR,
        rabbitmq(uriSecretRef={"name": "s", "key": "connection_string"}),
        "default_user_x",
        id="RabbitMQ Cluster Operator, URI",
    ),
    pytest.param(
        RABBITMQ_CLUSTER_OPERATOR,
        rabbitmq(host="mq", credentialsSecretRef={"name": "s"}),
        "default_user_x",
        id="RabbitMQ Cluster Operator, login",
    ),
    pytest.param(
        BITNAMI_RABBITMQ,
        rabbitmq(
            host="mq",
            username="user",
            credentialsSecretRef={"name": "s", "passwordKey": "rabbitmq-password"},
        ),
        "user",
        id="Bitnami RabbitMQ",
    ),
    pytest.param(
        BITNAMI_REDIS,
        redis(credentialsSecretRef={"name": "s", "passwordKey": "redis-password"}),
        None,
        id="Bitnami Redis",
    ),
    pytest.param(
        REDIS_OPERATOR, redis(credentialsSecretRef={"name": "s"}), None, id="Redis operators"
    ),
    pytest.param(
        REDIS_OPERATOR,
        redis(username="worker", credentialsSecretRef={"name": "s"}),
        "worker",
        id="Redis operators, with an ACL user",
    ),
    pytest.param(
        KUBEDB_REDIS,
        redis(credentialsSecretRef={"name": "s", "usernameKey": "username"}),
        "default",
        id="KubeDB Redis",
    ),
    pytest.param(STRIMZI_USER, kafka(username="billing"), "billing", id="Strimzi"),
    pytest.param(
        BITNAMI_KAFKA,
        kafka(username="user1", passwordKey="client-passwords"),
        "user1",
        id="Bitnami Kafka with one user",
    ),
]


@pytest.mark.parametrize(("secret", "queue", "username"), CHARTS)
def test_operator_and_pods_log_in_with_the_secret(
    secret: Mapping[str, bytes], queue: Fields, username: str | None
) -> None:
    source = QueueSource.from_manifest(queue)
    found = resolve_connection(
        source, namespace="shop", secrets={"s": secret}, allowed_hosts=ALL_HOSTS
    )
    assert (found.username, found.password) == (username, "p4ssw0rd")

    room = find_room(str(source.broker))
    environ = filled_in(room.environment.refer_to_login(source.source), secret)
    said = "".join(environ.values())
    assert (username or "") in said
    assert "p4ssw0rd" in said


def filled_in(variables: list[Fields], secret: Mapping[str, bytes]) -> Environment:
    """Return the environment as the kubelet makes it."""
    return {
        variable["name"]: variable["value"]
        if "value" in variable
        else secret[variable["valueFrom"]["secretKeyRef"]["key"]].decode()
        for variable in variables
    }
