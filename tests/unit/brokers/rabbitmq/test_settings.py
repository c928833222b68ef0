"""RabbitMQ's URIs, taken apart."""

import pytest

from workqueuejob.brokers.rabbitmq.settings import parse_uri
from workqueuejob.errors import CredentialsNotURLSafe


@pytest.mark.parametrize("password", ["5671/s3cret", "5671?s3cret", "s3cret/5671", "s3cret#5671"])
def test_part_of_an_unencoded_password_never_passes_for_an_address(password: str) -> None:
    with pytest.raises(CredentialsNotURLSafe, match=r"^BROKER_URL is not a URI") as caught:
        parse_uri(f"amqp://u:{password}@mq:5672/vhost", where="BROKER_URL")
    assert "5671" not in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_encoded_at_sign_in_a_virtual_host_is_part_of_it() -> None:
    parsed = parse_uri("amqp://u:s3cret%2F1@mq/jobs%40prod?heartbeat=5", where="BROKER_URL")
    assert (parsed.host, parsed.virtual_host, parsed.password) == ("mq", "jobs@prod", "s3cret/1")
