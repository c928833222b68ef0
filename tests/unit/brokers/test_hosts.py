"""The hosts that the operator may connect to."""

import socket
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workqueuejob.api import QueueSource
from workqueuejob.brokers.connection import AddressInfo
from workqueuejob.brokers.hosts import (
    AllowedHosts,
    HostPattern,
    parse_host_pattern,
    read_search_domains,
)
from workqueuejob.brokers.rabbitmq.settings import RabbitMQConnection
from workqueuejob.brokers.resolving import resolve_connection
from workqueuejob.errors import HostNotAllowed

LABELS = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True)
NAMES = st.builds(
    # A last label of digits would make addresses of some.
    lambda labels, last: ".".join([*labels, last]),
    st.lists(LABELS, min_size=1, max_size=3),
    st.from_regex(r"[a-z]{2,5}", fullmatch=True),
)
PORTS = st.integers(min_value=1, max_value=65535)
ADDRESSES = st.ip_addresses().map(str)

HOSTILE_HOSTS = [
    "",
    ".example.com",
    "a..example.com",
    # urllib ends a host at the slash, urllib3 at the backslash as well.
    "evil.test\\.example.com",
    "evil.test/.example.com",
    "evil.test#.example.com",
    "evil.test?.example.com",
    "evil.test@mq.example.com",
    "evil.test\n.example.com",
    "evil.test\0.example.com",
    "mq.example.com\n",
    "mq.example.com..",
    "evil.test%2f.example.com",
    "evil。test.example.com",
    "m\N{CYRILLIC SMALL LETTER ER}.example.com",
    "[mq.example.com]",
    "-.example.com",
    f"{'a' * 64}.example.com",
]


def allow(*patterns: str) -> AllowedHosts:
    return AllowedHosts(tuple(parse_host_pattern(pattern) for pattern in patterns))


def is_allowed(patterns: str, host: str, port: int = 5672) -> bool:
    try:
        allow(*patterns.split()).check(host, port, field="spec.queue.rabbitmq.host")
    except HostNotAllowed:
        return False
    return True


@pytest.mark.parametrize(
    ("patterns", "host", "allowed"),
    [
        ("", "anything.example", True),
        ("mq.prod.example", "mq.prod.example", True),
        ("mq.prod.example", "MQ.prod.example.", True),
        ("mq.prod.example", "mq.prod.example.evil", False),
        ("mq.prod.example", "mq-prod.example", False),
        ("*.svc", "mq.shop.svc", True),
        ("*.svc", "mq.shop.svc.cluster.local", False),
        ("*.example.com", "a.b.example.com", True),
        ("*.example.com", "example.com", False),
        ("*.example.com", "evilexample.com", False),
        ("*.example.com *.svc", "mq.shop.svc", True),
        ("*.1", "10.0.0.1", False),
        ("10.0.0.1", "10.0.0.1", True),
        ("10.0.0.1", "10.0.0.10", False),
        ("[::1]", "0:0::1", True),
        ("10.0.0.1", "::ffff:10.0.0.1", False),
        ("*", "10.0.0.1", True),
        ("localhost", "localhost", True),
        ("*.svc", "localhost", False),
    ],
)
def test_pattern_means_its_host_and_no_other(patterns: str, host: str, allowed: bool) -> None:
    assert is_allowed(patterns, host) is allowed


def test_port_narrows_a_pattern() -> None:
    assert is_allowed("mq.example:5671", "mq.example", 5671)
    assert not is_allowed("mq.example:5671", "mq.example", 5672)
    assert is_allowed("*:5671", "10.0.0.1", 5671)
    assert is_allowed("[2001:db8::1]:5671", "2001:db8::1", 5671)


@pytest.mark.parametrize("host", HOSTILE_HOSTS)
def test_what_is_no_host_name_matches_nothing(host: str) -> None:
    assert not is_allowed("* *.example.com mq.example.com", host)


@pytest.mark.parametrize(
    "text",
    ["", "a b", "http://mq", "mq:", "mq:0", "mq:65536", "m*q", "a.*.b", "*mq", "**.a", "a/b", "::1",
     "10.0.0.0/8", "-a", "mq.", "[mq]x", "<name>.svc", "a<namespace>.svc", "*.<namespace"],
)  # fmt: skip
def test_what_is_no_pattern_is_refused_with_what_it_may_be(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no host or pattern; write a name, \*\.name"):
        parse_host_pattern(text)


@given(NAMES, PORTS)
def test_host_matches_itself_with_and_without_its_port(name: str, port: int) -> None:
    assert parse_host_pattern(name).matches(name.upper(), port)
    assert parse_host_pattern(f"{name}:{port}").matches(f"{name}.", port)


@given(ADDRESSES, PORTS)
def test_address_matches_itself(address: str, port: int) -> None:
    pattern = f"[{address}]" if ":" in address else address

    assert parse_host_pattern(pattern) == HostPattern(address)
    assert parse_host_pattern(f"{pattern}:{port}").matches(address, port)


@given(NAMES, NAMES)
def test_wildcard_matches_exactly_the_names_below_it(name: str, host: str) -> None:
    pattern = parse_host_pattern(f"*.{name}")

    assert pattern.matches(f"{host}.{name}", 1)
    assert pattern.matches(host, 1) is host.endswith(f".{name}")
    assert not pattern.matches(name, 1)


@given(NAMES, st.text(max_size=40), PORTS)
def test_text_that_matches_a_name_is_that_name(name: str, text: str, port: int) -> None:
    if parse_host_pattern(name).matches(text, port):
        assert text.lower().removesuffix(".") == name


@given(st.text(max_size=40), st.lists(NAMES, max_size=3))
def test_more_patterns_never_allow_less(host: str, names: list[str]) -> None:
    if names and is_allowed(names[0], host):
        assert is_allowed(" ".join(names), host)


def refuse(queue: dict[str, object], patterns: str, secret: bytes = b"") -> str:
    with pytest.raises(HostNotAllowed) as refused:
        resolve_connection(
            QueueSource.from_manifest(queue),
            namespace="shop",
            secrets={"mq": {"uri": secret}},
            allowed_hosts=allow(*patterns.split()),
        )
    return str(refused.value)


@pytest.mark.parametrize(
    ("queue", "patterns", "said"),
    [
        (
            {"rabbitmq": {"host": "mq", "queue": "q"}},
            "*.bank.svc",
            "mq.shop.svc:5672 (spec.queue.rabbitmq.host)",
        ),
        (
            {"rabbitmq": {"host": "mq", "queue": "q", "tls": {}}},
            "*.svc:5672",
            "mq.shop.svc:5671 (spec.queue.rabbitmq.host)",
        ),
        (
            {"rabbitmq": {"host": "mq", "queue": "q", "management": {"url": "http://evil.test"}}},
            "*.svc",
            "evil.test:80 (spec.queue.rabbitmq.management.url)",
        ),
        (
            {
                "rabbitmq": {
                    "host": "mq",
                    "queue": "q",
                    "management": {"url": "https://mq.shop.svc:15671/path"},
                }
            },
            "mq.shop.svc:5672",
            "mq.shop.svc:15671 (spec.queue.rabbitmq.management.url)",
        ),
        (
            {"redis": {"host": "10.1.2.3", "list": {"key": "k"}}},
            "*.svc",
            "10.1.2.3:6379 (spec.queue.redis.host)",
        ),
        (
            {
                "redis": {
                    "sentinel": {"masterName": "m", "addresses": ["s:26379", "evil.test:26379"]},
                    "list": {"key": "k"},
                }
            },
            "*.svc",
            "evil.test:26379 (spec.queue.redis.sentinel.addresses[1])",
        ),
    ],
)
def test_host_is_refused_with_its_field_and_a_remedy(
    queue: dict[str, object], patterns: str, said: str
) -> None:
    message = refuse(queue, patterns)

    assert message.startswith(said)
    assert "allowedHosts" in message


@pytest.mark.parametrize(
    ("queue", "secret", "said"),
    [
        (
            {"rabbitmq": {"uriSecretRef": {"name": "mq"}, "queue": "q"}},
            b"amqps://ann:s3cret@evil.test/v",
            "evil.test:5671 (spec.queue.rabbitmq.uriSecretRef)",
        ),
        (
            {"redis": {"uriSecretRef": {"name": "mq"}, "list": {"key": "k"}}},
            b"redis://ann:s3cret@evil.test",
            "evil.test:6379 (spec.queue.redis.uriSecretRef)",
        ),
    ],
)
def test_host_of_a_uri_is_refused_without_its_credentials(
    queue: dict[str, object], secret: bytes, said: str
) -> None:
    message = refuse(queue, "*.svc", secret)

    assert message.startswith(said)
    assert "s3cret" not in message
    assert "ann" not in message


def test_all_hosts_of_a_spec_may_be_named_by_patterns() -> None:
    queue = {
        "rabbitmq": {"host": "mq", "queue": "q", "management": {"url": "http://mq:15672"}},
    }

    found = resolve_connection(
        QueueSource.from_manifest(queue),
        namespace="shop",
        secrets={},
        allowed_hosts=allow("*.shop.svc"),
    )

    assert isinstance(found, RabbitMQConnection)
    assert found.host == "mq.shop.svc"


OWN = "*.<namespace>.svc"


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("mq.shop.svc", True),
        ("a.mq.shop.svc", True),
        ("mq.bank.svc", False),
        ("shop.svc", False),
        ("mq.shop.svc.cluster.local", False),
        ("mq.<namespace>.svc", False),
    ],
)
def test_pattern_may_mean_the_namespace_of_the_work_queue_job(host: str, allowed: bool) -> None:
    within = allow(OWN).within("shop")
    try:
        within.check(host, 5672, field="f")
    except HostNotAllowed:
        assert not allowed
    else:
        assert allowed


def test_pattern_of_no_namespace_yet_matches_nothing() -> None:
    assert not is_allowed(OWN, "mq.shop.svc")
    assert allow("*.svc").within("shop") == allow("*.svc")


@pytest.mark.parametrize(
    "queue",
    [
        {"rabbitmq": {"host": "mq.bank.svc", "queue": "q"}},
        {"rabbitmq": {"host": "mq", "queue": "q", "management": {"url": "http://mq.bank.svc"}}},
        {"redis": {"host": "redis.bank.svc", "list": {"key": "k"}}},
        {
            "redis": {
                "sentinel": {"masterName": "m", "addresses": ["s.bank.svc:26379"]},
                "list": {"key": "k"},
            }
        },
        {
            "kafka": {
                "bootstrapServers": ["kafka:9092", "kafka.bank.svc:9092"],
                "topic": "t",
                "consumerGroup": "g",
            }
        },
        {"rabbitmq": {"uriSecretRef": {"name": "mq"}, "queue": "q"}},
    ],
)
def test_host_of_another_namespace_is_refused_in_every_field(queue: dict[str, object]) -> None:
    assert "bank.svc" in refuse(queue, OWN, b"amqp://ann:s3cret@mq.bank.svc/")


def found(canonical: str, *addresses: str) -> list[AddressInfo]:
    """Return the answer of getaddrinfo, which has the canonical name in its first entry."""
    names = (canonical, *[""] * len(addresses))
    return [
        (socket.AF_INET, socket.SOCK_STREAM, 6, name, (address, 5672))
        for name, address in zip(names, addresses, strict=False)
    ]


@pytest.mark.parametrize(
    ("host", "canonical", "allowed"),
    [
        ("mq.shop.svc", "mq.shop.svc.cluster.local", True),
        ("MQ.shop.svc.", "mq.shop.svc.cluster.local.", True),
        ("mq.shop.svc", "mq.shop.svc", True),
        ("mq.shop.svc", "", True),
        # A Service of type ExternalName
        ("mq.shop.svc", "mq.bank.svc.cluster.local", False),
        ("mq.shop.svc", "db.evil.test", False),
        ("mq.shop.svc", "mq.shop.svc.evil.test", False),
        ("mq.shop.svc", "mq.prod.example", True),
        ("mq.shop.svc.cluster.local", "mq.bank.svc.cluster.local", False),
        # The names of a cloud stand for others.
        ("mq.prod.example", "elb-1.cloud.test", True),
    ],
)
def test_service_that_stands_for_another_host_is_judged_by_that_host(
    host: str, canonical: str, allowed: bool
) -> None:
    hosts = replace(
        allow("*.shop.svc", "*.shop.svc.cluster.local", "mq.prod.example"),
        search_domains=("svc.cluster.local", "cluster.local"),
    )
    try:
        chosen = hosts.choose(host, 5672, found(canonical, "10.1.2.3"))
    except HostNotAllowed:
        assert not allowed
    else:
        assert allowed
        assert len(chosen) == 1


def test_without_patterns_a_service_may_stand_for_any_host() -> None:
    assert allow().choose("mq.shop.svc", 5672, found("db.evil.test", "10.1.2.3"))


def test_only_allowed_addresses_of_a_host_are_chosen() -> None:
    infos = found("mq.example", "127.0.0.1", "10.1.2.3", "169.254.169.254")

    assert [info[4][0] for info in allow().choose("mq.example", 5672, infos)] == ["10.1.2.3"]


def test_host_without_an_allowed_address_is_refused_without_showing_it() -> None:
    with pytest.raises(HostNotAllowed) as refused:
        allow().choose("mq.example", 5672, found("mq.example", "169.254.169.254"))

    assert str(refused.value).startswith("mq.example:5672 is at an address")
    assert "169.254" not in str(refused.value)


def test_search_domains_are_those_of_the_last_line() -> None:
    text = "nameserver 10.96.0.10\nsearch old\nsearch shop.svc.cluster.local Cluster.local.\n"

    assert read_search_domains(text) == ("shop.svc.cluster.local", "cluster.local")
    assert read_search_domains("nameserver 10.96.0.10\n# search no\n") == ()
