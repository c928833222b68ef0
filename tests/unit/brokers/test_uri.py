import pytest

from workqueuejob.brokers.uri import BrokerAddress, parse_redis_uri, parse_uri
from workqueuejob.errors import CredentialsNotURLSafe


@pytest.mark.parametrize(
    ("uri", "address"),
    [
        ("redis://redis", BrokerAddress(host="redis", encrypted=False)),
        ("redis://redis:6380/", BrokerAddress(host="redis", port=6380, encrypted=False)),
        ("rediss://redis/2", BrokerAddress(host="redis", encrypted=True, database=2)),
        ("redis://[::1]:6379/0", BrokerAddress("::1", 6379, encrypted=False, database=0)),
        (
            "redis://user:p%40s%2Fs@redis",
            BrokerAddress("redis", username="user", password="p@s/s", encrypted=False),
        ),
        ("redis://:secret@redis", BrokerAddress("redis", password="secret", encrypted=False)),
    ],
)
def test_redis_uri_is_taken_apart(uri: str, address: BrokerAddress) -> None:
    assert parse_redis_uri(uri, where="BROKER_URL") == address


@pytest.mark.parametrize(
    "uri",
    [
        "amqp://u:s3cret@mq",
        "redis://u:s3cret#x@redis",
        "redis://u:s3cret@redis:port",
        "redis://u:s3cret@redis:0",
        "redis://u:s3cret@redis/jobs",
        "redis://u:s3cret@redis?db=1",
        "redis://",
        "s3cret",
    ],
)
def test_what_is_no_redis_uri_is_named_and_not_quoted(uri: str) -> None:
    with pytest.raises(CredentialsNotURLSafe, match=r"^BROKER_URL is not a URI") as caught:
        parse_redis_uri(uri, where="BROKER_URL")
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("password", ["5671/s3cret", "5671?s3cret", "s3cret/5671", "s3cret#5671"])
def test_part_of_an_unencoded_password_never_passes_for_an_address(password: str) -> None:
    with pytest.raises(CredentialsNotURLSafe, match=r"^BROKER_URL is not a URI") as caught:
        parse_uri(f"amqp://u:{password}@mq:5672/vhost", where="BROKER_URL")
    assert "5671" not in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_encoded_at_sign_in_a_virtual_host_is_part_of_it() -> None:
    parsed = parse_uri("amqp://u:s3cret%2F1@mq/jobs%40prod?heartbeat=5", where="BROKER_URL")
    assert (parsed.host, parsed.virtual_host, parsed.password) == ("mq", "jobs@prod", "s3cret/1")
