"""How a Kafka queue is read from a manifest."""

from typing import Any

import pytest
from pydantic import ValidationError

from workqueuejob.api.kafka import KafkaQueue, SASLMechanism, StartFrom

MANIFEST = {"bootstrapServers": ["kafka:9092"], "topic": "orders", "consumerGroup": "billing"}


def test_least_that_is_asked_for_is_enough() -> None:
    queue = KafkaQueue.from_manifest(MANIFEST)
    assert queue.bootstrap_servers == ("kafka:9092",)
    assert (queue.start_from, queue.sasl, queue.tls) == (StartFrom.EARLIEST, None, None)
    assert queue.to_manifest() == {**MANIFEST, "startFrom": "Earliest"}


def test_secret_of_a_login_has_the_usual_keys() -> None:
    sasl = {"mechanism": "SCRAM-SHA-256", "credentialsSecretRef": {"name": "kafka"}}
    found = KafkaQueue.from_manifest({**MANIFEST, "sasl": sasl}).sasl
    assert found is not None
    assert found.mechanism is SASLMechanism.SCRAM_SHA_256
    reference = found.credentials_secret_ref
    assert (reference.username_key, reference.password_key) == ("username", "password")


@pytest.mark.parametrize(
    "change",
    [
        {"bootstrapServers": []},
        {"bootstrapServers": ["kafka"]},
        {"bootstrapServers": ["kafka://kafka:9092"]},
        {"topic": ""},
        {"topic": "a/b"},
        {"topic": "x" * 250},
        {"consumerGroup": ""},
        {"startFrom": "Middle"},
        {"sasl": {"mechanism": "GSSAPI", "credentialsSecretRef": {"name": "k"}}},
        {"sasl": {"mechanism": "PLAIN"}},
    ],
)
def test_what_kafka_would_not_take_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        KafkaQueue.from_manifest({**MANIFEST, **change})
