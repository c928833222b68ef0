"""How a user's own program finds its queue."""

from typing import Any

import pytest

from tests.builders import a_template, a_work_queue_job
from workqueuejob.api import QueueSource
from workqueuejob.errors import CredentialsNotURLSafe
from workqueuejob.planning.pods.environment import build_environment, check_credentials

TLS = {"client_certificate_secret_ref": {"name": "client"}}


def environment_of(**rabbitmq: Any) -> dict[str, Any]:
    queue = a_work_queue_job(rabbitmq=rabbitmq).spec.queue
    return {v["name"]: v.get("value", v.get("valueFrom")) for v in build_environment(queue)}


@pytest.mark.parametrize(
    ("rabbitmq", "url"),
    [
        pytest.param({}, "amqp://guest:guest@mq:5672", id="defaults"),
        pytest.param({"port": 5673}, "amqp://guest:guest@mq:5673", id="port"),
        pytest.param({"tls": {}}, "amqps://guest:guest@mq:5671", id="TLS has a port of its own"),
        pytest.param(
            {"tls": {}, "port": 5672}, "amqps://guest:guest@mq:5672", id="TLS on a given port"
        ),
        pytest.param({"vhost": "/"}, "amqp://guest:guest@mq:5672", id="default virtual host"),
        pytest.param({"vhost": "a"}, "amqp://guest:guest@mq:5672/a", id="virtual host"),
        pytest.param(
            {"vhost": "/a b%"}, "amqp://guest:guest@mq:5672/%2Fa%20b%25", id="encoded virtual host"
        ),
        pytest.param({"host": "::1"}, "amqp://guest:guest@[::1]:5672", id="IPv6 address"),
        pytest.param(
            {"auth_mechanism": "EXTERNAL", "tls": TLS},
            "amqps://mq:5671",
            id="a certificate needs no password",
        ),
    ],
)
def test_broker_url_says_where_the_queue_is(rabbitmq: dict[str, Any], url: str) -> None:
    assert environment_of(**rabbitmq) == {"BROKER_URL": url, "QUEUE": "job1"}


def test_credentials_stay_in_their_secret() -> None:
    reference = {"name": "mq-login", "username_key": "user", "password_key": "pass"}
    assert environment_of(credentials_secret_ref=reference) == {
        "WQJ_BROKER_USERNAME": {"secretKeyRef": {"name": "mq-login", "key": "user"}},
        "WQJ_BROKER_PASSWORD": {"secretKeyRef": {"name": "mq-login", "key": "pass"}},
        "BROKER_URL": "amqp://$(WQJ_BROKER_USERNAME):$(WQJ_BROKER_PASSWORD)@mq:5672",
        "QUEUE": "job1",
    }


def test_variables_come_before_those_that_use_them() -> None:
    queue = a_work_queue_job(rabbitmq={"credentials_secret_ref": {"name": "mq"}}).spec.queue
    names = [variable["name"] for variable in build_environment(queue)]
    assert names == ["WQJ_BROKER_USERNAME", "WQJ_BROKER_PASSWORD", "BROKER_URL", "QUEUE"]


def test_whole_uri_comes_from_its_secret() -> None:
    assert environment_of(host=None, uri_secret_ref={"name": "mq", "key": "amqp"}) == {
        "BROKER_URL": {"secretKeyRef": {"name": "mq", "key": "amqp"}},
        "QUEUE": "job1",
    }


def test_other_brokers_get_no_rabbitmq_variables() -> None:
    assert build_environment(QueueSource()) == []


def a_login(name: str, username: str, password: str) -> dict[str, dict[str, bytes]]:
    """Return the data of a Secret by its name."""
    return {name: {"username": username.encode(), "password": password.encode()}}


LOGIN = {"credentials_secret_ref": {"name": "mq"}}
OWN_URL = a_template(
    containers=[{"name": "c", "image": "i", "env": [{"name": "BROKER_URL", "value": "amqp://x"}]}]
)


@pytest.mark.parametrize("text", ["p@ss", "p:ss", "p/ss", "p%73s", "p ss", "pä", ""])
def test_credentials_that_a_url_cannot_hold_are_refused(text: str) -> None:
    spec = a_work_queue_job(rabbitmq=LOGIN).spec
    for username, password in ((text, "p"), ("u", text)):
        with pytest.raises(CredentialsNotURLSafe, match="'mq'") as refused:
            check_credentials(spec, a_login("mq", username, password))
        assert text not in str(refused.value) or not text


@pytest.mark.parametrize(
    ("spec", "password"),
    [
        pytest.param({"rabbitmq": LOGIN}, "aZ09-._~!$&'()*+,;=", id="all that a URL can hold"),
        pytest.param({"rabbitmq": LOGIN, "template": OWN_URL}, "p@ss", id="no container needs it"),
        pytest.param({}, "p@ss", id="no credentials are put together"),
    ],
)
def test_credentials_pass_where_they_do_no_harm(spec: dict[str, Any], password: str) -> None:
    check_credentials(a_work_queue_job(**spec).spec, a_login("mq", "u", password))


def test_line_break_that_pods_would_get_is_named() -> None:
    spec = a_work_queue_job(rabbitmq=LOGIN).spec
    with pytest.raises(CredentialsNotURLSafe, match="line break at the end, as echo writes it"):
        check_credentials(spec, a_login("mq", "u", "p\n"))


def test_only_the_named_container_needs_a_url() -> None:
    containers = [
        {"name": "mine", "image": "i", "env": [{"name": "BROKER_URL", "value": "amqp://x"}]},
        {"name": "sidecar", "image": "i"},
    ]
    template = a_template(containers=containers)
    bad = a_login("mq", "u", "p@ss")
    resource = a_work_queue_job(rabbitmq=LOGIN, template=template, container_name="mine")
    check_credentials(resource.spec, bad)
    with pytest.raises(CredentialsNotURLSafe):
        check_credentials(a_work_queue_job(rabbitmq=LOGIN, template=template).spec, bad)


def test_user_name_beside_the_reference_is_a_plain_value() -> None:
    found = environment_of(username="$me", credentials_secret_ref={"name": "mq"})
    assert found["WQJ_BROKER_USERNAME"] == "$$me"
    assert found["BROKER_URL"] == "amqp://$(WQJ_BROKER_USERNAME):$(WQJ_BROKER_PASSWORD)@mq:5672"
    redis = redis_environment(username="me", credentials_secret_ref={"name": "r"})
    assert redis["WQJ_BROKER_USERNAME"] == "me"
    assert redis["BROKER_URL"] == (
        "redis://$(WQJ_BROKER_USERNAME):$(WQJ_BROKER_PASSWORD)@redis:6379/0"
    )


def test_user_name_beside_the_reference_must_fit_into_a_url_too() -> None:
    spec = a_work_queue_job(rabbitmq={**LOGIN, "username": "a@b"}).spec
    with pytest.raises(CredentialsNotURLSafe):
        check_credentials(spec, {"mq": {"password": b"p"}})


def redis_environment(**redis: Any) -> dict[str, Any]:
    queue = a_work_queue_job(redis=redis).spec.queue
    return {v["name"]: v.get("value", v.get("valueFrom")) for v in build_environment(queue)}


@pytest.mark.parametrize(
    ("redis", "url"),
    [
        pytest.param({}, "redis://redis:6379/0", id="defaults"),
        pytest.param({"port": 6380}, "redis://redis:6380/0", id="port"),
        pytest.param({"database": 3}, "redis://redis:6379/3", id="database"),
        pytest.param({"tls": {}}, "rediss://redis:6379/0", id="TLS on the same port"),
        pytest.param({"host": "::1"}, "redis://[::1]:6379/0", id="IPv6 address"),
    ],
)
def test_broker_url_says_where_the_redis_list_is(redis: dict[str, Any], url: str) -> None:
    assert redis_environment(**redis) == {"BROKER_URL": url, "QUEUE": "job2"}


def test_queue_is_the_key_of_a_stream() -> None:
    stream = {"key": "orders", "consumer_group": "packers"}
    assert redis_environment(stream=stream)["QUEUE"] == "orders"


def test_redis_password_stays_in_its_secret() -> None:
    assert redis_environment(credentials_secret_ref={"name": "login"}) == {
        "WQJ_BROKER_PASSWORD": {"secretKeyRef": {"name": "login", "key": "password"}},
        "BROKER_URL": "redis://:$(WQJ_BROKER_PASSWORD)@redis:6379/0",
        "QUEUE": "job2",
    }


def test_redis_user_comes_from_the_secret_if_it_is_named() -> None:
    reference = {"name": "login", "username_key": "user"}
    found = redis_environment(credentials_secret_ref=reference)
    assert found["WQJ_BROKER_USERNAME"] == {"secretKeyRef": {"name": "login", "key": "user"}}
    assert found["BROKER_URL"] == (
        "redis://$(WQJ_BROKER_USERNAME):$(WQJ_BROKER_PASSWORD)@redis:6379/0"
    )


def test_whole_redis_uri_comes_from_its_secret() -> None:
    found = redis_environment(host=None, uri_secret_ref={"name": "r", "key": "uri"})
    assert found["BROKER_URL"] == {"secretKeyRef": {"name": "r", "key": "uri"}}


def test_sentinel_has_no_url() -> None:
    sentinel = {"master_name": "mymaster", "addresses": ["s:26379"]}
    assert redis_environment(host=None, sentinel=sentinel) == {"QUEUE": "job2"}


def test_redis_credentials_that_a_url_cannot_hold_are_refused() -> None:
    spec = a_work_queue_job(redis={"credentials_secret_ref": {"name": "login"}}).spec
    with pytest.raises(CredentialsNotURLSafe, match=r"spec\.queue\.redis\.uriSecretRef"):
        check_credentials(spec, {"login": {"password": b"p@ss"}})
    check_credentials(spec, {"login": {"password": b"pass"}})


def test_a_worker_needs_no_url() -> None:
    redis = {"credentials_secret_ref": {"name": "login"}}
    spec = a_work_queue_job(redis=redis, worker={"source": "Image"}).spec
    check_credentials(spec, a_login("login", "u", "p@ss"))


def kafka_environment_of(**kafka: Any) -> dict[str, Any]:
    queue = a_work_queue_job(kafka=kafka).spec.queue
    return {v["name"]: v.get("value", v.get("valueFrom")) for v in build_environment(queue)}


def test_programs_at_a_topic_find_brokers_topic_and_group() -> None:
    assert kafka_environment_of(bootstrap_servers=["k-0.k:9092", "kafka:9093"]) == {
        "BOOTSTRAP_SERVERS": "k-0.k:9092,kafka:9093",
        "QUEUE": "orders",
        "CONSUMER_GROUP": "billing",
    }


def test_login_at_kafka_stays_in_its_secret() -> None:
    sasl = {"mechanism": "PLAIN", "credentials_secret_ref": {"name": "login"}}
    found = kafka_environment_of(sasl=sasl)
    assert found["WQJ_BROKER_USERNAME"] == {"secretKeyRef": {"name": "login", "key": "username"}}
    assert found["WQJ_BROKER_PASSWORD"] == {"secretKeyRef": {"name": "login", "key": "password"}}
    assert kafka_environment_of(sasl=sasl | {"username": "$me"})["WQJ_BROKER_USERNAME"] == "$$me"


def test_password_for_kafka_may_have_any_character() -> None:
    sasl = {"mechanism": "PLAIN", "credentials_secret_ref": {"name": "login"}}
    spec = a_work_queue_job(kafka={"sasl": sasl}).spec
    check_credentials(spec, a_login("login", "a:b", "p@ss/word"))
