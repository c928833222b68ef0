"""Redis' URIs, taken apart."""

import pytest

from workqueuejob.brokers.redis.settings import RedisAddress, parse_uri
from workqueuejob.errors import CredentialsNotURLSafe


@pytest.mark.parametrize(
    ("uri", "address"),
    [
        ("redis://redis", RedisAddress(host="redis", encrypted=False)),
        ("redis://redis:6380/", RedisAddress(host="redis", port=6380, encrypted=False)),
        ("rediss://redis/2", RedisAddress(host="redis", encrypted=True, database=2)),
        ("redis://[::1]:6379/0", RedisAddress("::1", 6379, encrypted=False, database=0)),
        (
            "redis://user:p%40s%2Fs@redis",
            RedisAddress("redis", username="user", password="p@s/s", encrypted=False),
        ),
        ("redis://:secret@redis", RedisAddress("redis", password="secret", encrypted=False)),
    ],
)
def test_redis_uri_is_taken_apart(uri: str, address: RedisAddress) -> None:
    assert parse_uri(uri, where="BROKER_URL") == address


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
        parse_uri(uri, where="BROKER_URL")
    assert "s3cret" not in str(caught.value)
