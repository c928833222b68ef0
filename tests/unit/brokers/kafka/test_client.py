"""What librdkafka is told of a connection."""

import pytest

from workqueuejob.brokers.connection import TLSSettings
from workqueuejob.brokers.kafka.client import ReportedErrors, build_client_settings
from workqueuejob.brokers.kafka.settings import KafkaConnection

SERVERS = ("k1:9092", "k2:9092")


@pytest.mark.parametrize(
    ("mechanism", "tls", "protocol"),
    [
        (None, None, "PLAINTEXT"),
        (None, TLSSettings(), "SSL"),
        ("PLAIN", None, "SASL_PLAINTEXT"),
        ("SCRAM-SHA-256", TLSSettings(), "SASL_SSL"),
    ],
)
def test_login_and_encryption_make_the_protocol(
    mechanism: str | None, tls: TLSSettings | None, protocol: str
) -> None:
    connection = KafkaConnection(
        SERVERS, sasl_mechanism=mechanism, username="u", password="p", tls=tls
    )
    settings = build_client_settings(connection, ReportedErrors(), client_id="me")
    assert settings["security.protocol"] == protocol
    assert settings["bootstrap.servers"] == "k1:9092,k2:9092"
    assert settings.get("sasl.mechanism") == mechanism
    assert ("sasl.password" in settings) is (mechanism is not None)


def test_tls_material_is_handed_over_as_text() -> None:
    tls = TLSSettings(ca=b"CA", client_certificate=b"CERT", client_key=b"KEY")
    settings = build_client_settings(
        KafkaConnection(SERVERS, tls=tls), ReportedErrors(), client_id="me"
    )
    assert settings["ssl.ca.pem"] == "CA"
    assert (settings["ssl.certificate.pem"], settings["ssl.key.pem"]) == ("CERT", "KEY")
    assert settings["ssl.endpoint.identification.algorithm"] == "https"


def test_without_verification_neither_certificate_nor_name_is_checked() -> None:
    tls = TLSSettings(verify=False)
    settings = build_client_settings(
        KafkaConnection(SERVERS, tls=tls), ReportedErrors(), client_id="me"
    )
    assert settings["enable.ssl.certificate.verification"] is False
    assert settings["ssl.endpoint.identification.algorithm"] == "none"


def test_password_is_in_no_repr() -> None:
    assert "hush" not in repr(KafkaConnection(SERVERS, password="hush"))
