"""Whatever the clients of the brokers log, at whatever level, no password is in it."""

import logging
from contextlib import suppress
from dataclasses import replace

import pytest

from dev.servers.redis import RedisServer
from tests.contract.conftest import RabbitMQBench
from tests.driving import drive
from tests.writings import Writings
from workqueuejob.brokers.rabbitmq.probe import connect
from workqueuejob.brokers.rabbitmq.reference import RabbitMQReference
from workqueuejob.brokers.redis import probe as redis
from workqueuejob.brokers.redis.reference import RedisReference
from workqueuejob.errors import QueueError

RIGHT, WRONG = "r1ght s3cret/@:%", "wr0ng s3cret/@:%"
MARK = "s3cret"
"""In both; the same in a URL as it is."""


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    for name in (None, "pika", "redis", "urllib3"):
        caplog.set_level(logging.DEBUG, logger=name)
    return caplog


def assert_holds_no_password(log: pytest.LogCaptureFixture, *, client: str) -> None:
    assert any(record.name.startswith(client) for record in log.records), "it has logged nothing"
    assert Writings(MARK).found_in(log.text) == []


@pytest.mark.rabbitmq
@pytest.mark.parametrize("password", [RIGHT, WRONG])
def test_rabbitmqs_clients_log_no_password(
    rabbitmq: RabbitMQBench, log: pytest.LogCaptureFixture, password: str
) -> None:
    rabbitmq.server.add_user("planted", password=RIGHT, tags="management")
    rabbitmq.server.allow("planted", rabbitmq.vhost)
    settings = rabbitmq.settings(management=True)
    queue = rabbitmq.declare()
    with suppress(QueueError):
        probe = drive(connect(replace(settings, username="planted", password=password)))
        probe.begin_round()
        assert probe.measure(RabbitMQReference(queue)).ready == 0
        probe.close()
    assert_holds_no_password(log, client="pika")


@pytest.mark.redis
@pytest.mark.parametrize("password", [RIGHT, WRONG])
def test_rediss_client_logs_no_password(
    redis_server: RedisServer, log: pytest.LogCaptureFixture, password: str
) -> None:
    with redis_server.client() as client:
        client.acl_setuser(
            "planted", enabled=True, reset=True, passwords=[f"+{RIGHT}"], commands=["+@all"],
            keys=["*"],
        )  # fmt: skip
    with suppress(QueueError):
        probe = redis.connect(
            replace(redis_server.connection, username="planted", password=password)
        )
        assert probe.measure(RedisReference("job2")).ready == 0
        probe.close()
    assert_holds_no_password(log, client="redis")
