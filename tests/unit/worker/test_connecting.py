import pytest

from workqueuejob.brokers.connection import TLSSettings
from workqueuejob.brokers.kafka.settings import KafkaConnection, KafkaSource
from workqueuejob.brokers.rabbitmq.settings import RabbitMQConnection, RabbitMQSource
from workqueuejob.brokers.redis.settings import RedisConnection, RedisSource, Sentinel
from workqueuejob.contract import settings as names
from workqueuejob.contract.settings import TLSChoice, WorkerSettings, write_settings
from workqueuejob.errors import BrokerUnavailable, SettingsInvalid
from workqueuejob.worker.connecting import (
    build_connection,
    open_broker,
    pod_name,
    read_environment,
)
from workqueuejob.worker.memory import MemoryQueue


def test_settings_of_the_operator_are_read_back() -> None:
    settings = WorkerSettings(source=RabbitMQSource(queue="job1", host="mq"), quota=3, run="uid")
    assert read_environment(write_settings(settings)) == settings


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"broker": "kafka"}', '{"broker":"redis"}'])
def test_unreadable_settings_name_their_variable(text: str) -> None:
    with pytest.raises(SettingsInvalid, match="WQJ_SETTINGS is not what"):
        read_environment({names.SETTINGS: text})


def test_without_settings_the_variables_of_the_documents_do() -> None:
    environ = {"BROKER_URL": "amqp://u:p%40ss@mq:5673/team%2Fa", "QUEUE": "job1"}
    settings = read_environment(environ)
    assert isinstance(settings.source, RabbitMQSource)
    assert settings.retry.dead_letter == "job1.dead"
    assert build_connection(settings, environ) == RabbitMQConnection(
        host="mq", port=5673, virtual_host="team/a", username="u", password="p@ss"
    )


def test_redis_url_of_the_documents_is_read() -> None:
    environ = {"BROKER_URL": "rediss://:p%2Fss@redis:6380/3", "QUEUE": "job2"}
    settings = read_environment(environ)
    assert settings.retry.dead_letter == "{job2}:dead"
    assert build_connection(settings, environ) == RedisConnection(
        host="redis", port=6380, database=3, password="p/ss", tls=TLSSettings()
    )


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({}, "BROKER_URL"),
        ({"BROKER_URL": "amqp://mq"}, "QUEUE"),
        ({"QUEUE": "job1"}, "BROKER_URL"),
        ({"BROKER_URL": "kafka://mq", "QUEUE": "job1"}, "CONSUMER_GROUP is not set"),
        ({"BROKER_URL": "kafka://mq", "QUEUE": "job1", "CONSUMER_GROUP": ""}, "CONSUMER_GROUP"),
        ({"BROKER_URL": "nats://mq", "QUEUE": "job1"}, "BROKER_URL begins with none of amqp://.*"),
        ({"BROKER_URL": "mq:5672", "QUEUE": "job1"}, "kafka://, kafka.ssl:// and memory://"),
    ],
)
def test_what_is_missing_is_named(environ: dict[str, str], named: str) -> None:
    with pytest.raises(SettingsInvalid, match=named):
        read_environment(environ)


@pytest.mark.parametrize(
    "url",
    [
        "redis://u:s3cret@mq:port",
        "amqp://u:s3cret@mq:port",
        "kafka://u:s3cret@mq:port",
        "kafka://u:s3cret@mq:0",
        "kafka://u:s3cret@mq:65536",
        "kafka://u:s3cret@mq,",
        "kafka://u:s3cret@",
        "kafka://u:s3/cret@mq:9092",
        "kafka://u:s3@cret@mq:9092",
        "kafka://u:s3cret@mq:9092/orders",
        "kafka://u:s3cret@mq:9092?sasl_mechanism=GSSAPI",
        "kafka://u:s3cret@mq:9092?group=billing",
        "kafka:u:s3cret@mq:9092",
    ],
)
def test_unreadable_url_is_named_and_not_quoted(url: str) -> None:
    environ = {"BROKER_URL": url, "QUEUE": "job2", "CONSUMER_GROUP": "billing"}
    with pytest.raises(SettingsInvalid, match="BROKER_URL is not a URI") as caught:
        build_connection(read_environment(environ), environ)
    assert "s3" not in str(caught.value)
    assert "cret" not in str(caught.value)


def test_consumer_group_means_a_redis_stream() -> None:
    environ = {"BROKER_URL": "redis://redis", "QUEUE": "job2"}
    assert read_environment(environ).source == RedisSource(key="job2")
    settings = read_environment(environ | {"CONSUMER_GROUP": "billing"})
    assert settings.source == RedisSource(key="job2", consumer_group="billing")
    assert settings.retry.dead_letter == "{job2}:dead"


@pytest.mark.parametrize(
    ("url", "connection"),
    [
        ("kafka://k1", KafkaConnection(("k1:9092",))),
        ("kafka://k1:9093,[::1],k3/", KafkaConnection(("k1:9093", "[::1]:9092", "k3:9092"))),
        (
            " Kafka+SSL://u:p%40ss@k1:9093 ",
            KafkaConnection(
                ("k1:9093",),
                sasl_mechanism="PLAIN",
                username="u",
                password="p@ss",
                tls=TLSSettings(),
            ),
        ),
        (
            "kafka://u:p@k1?sasl_mechanism=SCRAM-SHA-512",
            KafkaConnection(
                ("k1:9092",), sasl_mechanism="SCRAM-SHA-512", username="u", password="p"
            ),
        ),
    ],
)
def test_kafka_url_names_its_servers_and_its_login(url: str, connection: KafkaConnection) -> None:
    environ = {"BROKER_URL": url, "QUEUE": "orders", "CONSUMER_GROUP": "billing"}
    settings = read_environment(environ)
    assert isinstance(settings.source, KafkaSource)
    assert (settings.source.topic, settings.source.consumer_group) == ("orders", "billing")
    assert settings.retry.dead_letter == "orders.dead"
    assert build_connection(settings, environ) == connection


def test_queue_in_memory_is_shared_by_its_name() -> None:
    environ = {"BROKER_URL": "memory://", "QUEUE": "shared-by-name"}
    MemoryQueue.named("shared-by-name").put(b"apple")
    settings = read_environment(environ)
    broker = open_broker(settings, environ)
    taken = broker.take(timeout_seconds=0)
    assert taken is not None
    assert taken.body == b"apple"
    broker.dead_letter(taken, reason="no such fruit")
    (letter,) = MemoryQueue.named("shared-by-name").dead_letters
    assert letter.reason == "no such fruit"
    assert MemoryQueue.named("another").count_left() == 0


@pytest.mark.parametrize("url", ["amqp://127.0.0.1:1", "redis://127.0.0.1:1"])
def test_refused_connection_names_the_url_where_there_is_no_spec(url: str) -> None:
    environ = {"BROKER_URL": url, "QUEUE": "fruits"}
    with pytest.raises(BrokerUnavailable, match=r"spec.queue.*; here BROKER_URL stands for spec.q"):
        open_broker(read_environment(environ), environ)
    in_pod = write_settings(read_environment(environ)) | environ
    with pytest.raises(BrokerUnavailable) as caught:
        open_broker(read_environment(in_pod), in_pod)
    assert "BROKER_URL" not in str(caught.value)


def test_url_of_memory_has_nothing_behind_it() -> None:
    environ = {"BROKER_URL": "memory://fruits.txt", "QUEUE": "fruits"}
    with pytest.raises(SettingsInvalid, match="BROKER_URL has something behind memory://"):
        open_broker(read_environment(environ), environ)


def test_line_break_at_the_end_of_a_login_is_dropped_as_the_operator_does() -> None:
    settings = WorkerSettings(source=RabbitMQSource(queue="job1", host="mq"))
    environ = {names.BROKER_USERNAME: "worker\n", names.BROKER_PASSWORD: "p@ss\r\n"}
    found = build_connection(settings, environ)
    assert (found.username, found.password) == ("worker", "p@ss")


def test_line_break_at_the_end_of_the_sentinels_login_is_dropped_too() -> None:
    source = RedisSource(key="job2", sentinel_master="main", sentinel_addresses=("s1:26379",))
    environ = {names.LOCATOR_USERNAME: "asker\n", names.LOCATOR_PASSWORD: "p@ss\r\n"}
    found = build_connection(WorkerSettings(source=source), environ)
    assert isinstance(found, RedisConnection)
    assert found.sentinel == Sentinel("main", ("s1:26379",), username="asker", password="p@ss")


def test_pod_connects_with_what_the_kubelet_filled_in() -> None:
    settings = WorkerSettings(
        source=RabbitMQSource(queue="job1", host="mq", virtual_host="team"),
        tls=TLSChoice(server_name="broker", verify=False),
    )
    environ = {
        names.BROKER_USERNAME: "worker",
        names.BROKER_PASSWORD: "p@ss",
        names.TLS_CA: "CA",
        names.TLS_CERTIFICATE: "CERT",
        names.TLS_PRIVATE_KEY: "KEY",
    }
    assert build_connection(settings, environ) == RabbitMQConnection(
        host="mq",
        port=5671,
        virtual_host="team",
        username="worker",
        password="p@ss",
        tls=TLSSettings(b"CA", b"CERT", b"KEY", server_name="broker", verify=False),
    )


def test_uri_of_a_secret_comes_before_the_variable_of_the_users_program() -> None:
    settings = WorkerSettings(source=RedisSource(key="job2"))
    environ = {names.BROKER_URI: "redis://u:p@right/1", "BROKER_URL": "redis://wrong"}
    assert build_connection(settings, environ) == RedisConnection(
        host="right", database=1, username="u", password="p"
    )


def test_sentinels_stand_for_a_host() -> None:
    source = RedisSource(
        key="job2", sentinel_master="main", sentinel_addresses=("s1:26379", "s2:26379")
    )
    environ = {names.BROKER_PASSWORD: "p"}
    assert build_connection(WorkerSettings(source=source), environ) == RedisConnection(
        password="p", sentinel=Sentinel("main", ("s1:26379", "s2:26379"))
    )


def test_settings_without_host_or_uri_name_the_variable() -> None:
    with pytest.raises(SettingsInvalid, match="WQJ_BROKER_URI is not set"):
        build_connection(WorkerSettings(source=RedisSource(key="job2")), {})


def test_certificate_login_needs_no_password() -> None:
    source = RabbitMQSource(queue="job1", host="mq", auth_mechanism="EXTERNAL")
    connection = build_connection(WorkerSettings(source=source, tls=TLSChoice()), {})
    assert isinstance(connection, RabbitMQConnection)
    assert (connection.username, connection.password) == ("", "")


def test_pod_is_named_by_the_operator_or_else_by_its_host() -> None:
    assert pod_name({names.POD_NAME: "fruits-1"}) == "fruits-1"
    assert pod_name({})


KAFKA = KafkaSource(
    bootstrap_servers=("k1:9092", "k2:9092"),
    topic="orders",
    consumer_group="billing",
    targets="id:3,4",
    sasl_mechanism="PLAIN",
)


def test_settings_of_kafka_are_read_back() -> None:
    settings = WorkerSettings(source=KAFKA)
    assert read_environment(write_settings(settings)) == settings


def test_kafka_logs_in_as_the_environment_says() -> None:
    environ = {names.BROKER_USERNAME: "ann", names.BROKER_PASSWORD: "p@ss"}
    assert build_connection(WorkerSettings(source=KAFKA), environ) == KafkaConnection(
        ("k1:9092", "k2:9092"), sasl_mechanism="PLAIN", username="ann", password="p@ss"
    )
