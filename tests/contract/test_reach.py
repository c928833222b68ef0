"""Where the operator connects to: the address that was checked, whatever a name or a broker says.

No broker runs here: who connects at all is what is asked.
"""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from typing import Any

import pytest
import trustme

from tests.driving import drive
from tests.hostile_server import hostile_server, say
from tests.reach import LOOPBACK
from workqueuejob.api import QueueSource
from workqueuejob.brokers.addresses import AllowedAddresses, parse_address_range
from workqueuejob.brokers.connection import AddressInfo, BrokerConnection, TLSSettings
from workqueuejob.brokers.depth import DepthWarning
from workqueuejob.brokers.hosts import ALL_HOSTS, AllowedHosts
from workqueuejob.brokers.kafka.settings import KafkaConnection
from workqueuejob.brokers.rabbitmq.management import ManagementClient
from workqueuejob.brokers.rabbitmq.settings import RabbitMQConnection
from workqueuejob.brokers.redis.settings import RedisConnection
from workqueuejob.brokers.references import QueueReference, connect
from workqueuejob.brokers.resolving import resolve_connection
from workqueuejob.errors import ConnectionFailed, HostNotAllowed, QueueError, TLSFailed
from workqueuejob.measuring.meter import Meter

CA = trustme.CA()
TRUSTING = TLSSettings(ca=CA.cert_pem.bytes())
ONE_ADDRESS = AllowedHosts(addresses=AllowedAddresses((parse_address_range("127.0.0.1"),)))

Queue = Callable[[str, int], dict[str, Any]]

QUEUES: Mapping[str, Queue] = {
    "rabbitmq": lambda host, port: {"rabbitmq": {"host": host, "port": port, "queue": "q"}},
    "redis": lambda host, port: {"redis": {"host": host, "port": port, "list": {"key": "k"}}},
    "redis-tls": lambda host, port: {
        "redis": {"host": host, "port": port, "list": {"key": "k"}, "tls": {}}
    },
    "sentinel": lambda host, port: {
        "redis": {
            "sentinel": {"masterName": "m", "addresses": [f"{host}:{port}"]},
            "list": {"key": "k"},
        }
    },
    "kafka": lambda host, port: {
        "kafka": {"bootstrapServers": [f"{host}:{port}"], "topic": "t", "consumerGroup": "g"}
    },
}


@contextmanager
def listening(address: str = "127.0.0.1") -> Iterator[tuple[int, Callable[[], int]]]:
    """Listen on loopback; yield the port, and what says how many connections came."""
    accepted: list[socket.socket] = []

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            accepted.append(connection)
            connection.close()

    with closing(socket.create_server((address, 0))) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1], lambda: len(accepted)
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)


@contextmanager
def tls_server(address: str, name: str) -> Iterator[tuple[int, list[str]]]:
    """Serve TLS with a certificate for a name; yield the port, and the names in handshakes."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    CA.issue_cert(name).configure_cert(context)
    asked: list[str] = []
    shaken: list[str] = []
    context.sni_callback = lambda _socket, asked_for, _context: asked.append(asked_for or "")

    def act(connection: socket.socket, _ended: threading.Event) -> None:
        with suppress(OSError), context.wrap_socket(connection, server_side=True):
            shaken.append(asked[-1])

    with hostile_server(act, address=address) as port:
        yield port, shaken


def try_to_measure(queue: dict[str, Any], reach: AllowedHosts) -> QueueError:
    """Connect as the operator does for a WorkQueueJob; return why that fails."""
    settings = resolve_connection(
        QueueSource.from_manifest(queue), namespace="shop", secrets={}, allowed_hosts=reach
    )
    with pytest.raises(QueueError) as refused:
        drive(connect(settings))
    return refused.value


@pytest.mark.parametrize(
    ("broker", "host"),
    [
        (broker, host)
        for broker in QUEUES
        for host in ("127.0.0.1", "localhost", "127.1", "::ffff:127.0.0.1")
        # The definition takes no IPv6 address there.
        if not (":" in host and broker in {"sentinel", "kafka"})
    ],
)
def test_loopback_is_never_connected_to_by_default(broker: str, host: str) -> None:
    with listening() as (port, count):
        error = try_to_measure(QUEUES[broker](host, port), ALL_HOSTS)

        assert isinstance(error, HostNotAllowed), error
        assert "allowedAddresses" in str(error)
        assert count() == 0


@pytest.mark.parametrize("broker", QUEUES)
def test_loopback_is_connected_to_where_it_is_listed(broker: str) -> None:
    with listening() as (port, count):
        error = try_to_measure(QUEUES[broker]("localhost", port), AllowedHosts(addresses=LOOPBACK))

        assert not isinstance(error, HostNotAllowed)
        assert count() > 0


def management(port: int) -> ManagementClient:
    url = f"http://127.0.0.2:{port}"
    return ManagementClient(RabbitMQConnection("mq", management_url=url, reach=ONE_ADDRESS), url)


def test_management_api_is_not_connected_to_at_an_address_that_is_not_listed() -> None:
    with listening("127.0.0.2") as (port, count):
        with pytest.raises(HostNotAllowed, match=r"127.0.0.2:\d+ is at an address"):
            management(port).read_totals()
        assert count() == 0


def test_management_api_gets_no_password_unencrypted_beside_tls() -> None:
    with listening() as (port, count):
        url = f"http://127.0.0.1:{port}"
        settings = RabbitMQConnection("mq", management_url=url, tls=TLSSettings())
        totals = ManagementClient(settings, url).read_totals()
        assert isinstance(totals, DepthWarning)
        assert "write https in spec.queue.rabbitmq.management.url" in totals.message
        assert count() == 0


def test_master_that_a_sentinel_names_is_not_connected_to_at_an_address_that_is_not_listed() -> (
    None
):
    with listening("127.0.0.2") as (port, count):
        answer = f"*2\r\n$9\r\n127.0.0.2\r\n${len(str(port))}\r\n{port}\r\n".encode()
        with hostile_server(say(answer)) as sentinel:
            queue = QUEUES["sentinel"]("127.0.0.1", sentinel)
            error = try_to_measure(queue, AllowedHosts(addresses=ONE_ADDRESS.addresses))

        assert isinstance(error, HostNotAllowed), error
        assert f"127.0.0.2:{port}" in str(error)
        assert count() == 0


class Elsewhere:
    """Answers each lookup with 127.0.0.2, as the owner of a name may do at the second one."""

    def check(self, host: str, port: int, *, field: str) -> None:
        """Allow every host."""

    def choose(self, _host: str, port: int, found: Sequence[AddressInfo]) -> list[AddressInfo]:
        _family, kind, protocol, name, _ = found[0]
        return [(socket.AF_INET, kind, protocol, name, ("127.0.0.2", port))]


@pytest.mark.parametrize(
    "settings",
    [
        RabbitMQConnection("localhost", tls=TRUSTING),
        RedisConnection("localhost", tls=TRUSTING),
        RabbitMQConnection("localhost", management_url="https://localhost", tls=TRUSTING),
    ],
    ids=["rabbitmq", "redis", "management"],
)
def test_connection_goes_to_the_checked_address_and_verifies_the_name(
    settings: RabbitMQConnection | RedisConnection,
) -> None:
    with tls_server("127.0.0.2", "localhost") as (port, names):
        found = replace(settings, port=port, reach=Elsewhere())
        if isinstance(found, RabbitMQConnection) and found.management_url:
            url = f"https://localhost:{port}"
            ManagementClient(replace(found, management_url=url), url).read_totals()
        else:
            with pytest.raises(ConnectionFailed):
                drive(connect(found)).close()

        # redis-py connects once more if the server has closed the connection already.
        assert set(names) == {"localhost"}


def test_certificate_of_another_name_is_refused_at_the_checked_address() -> None:
    with tls_server("127.0.0.2", "elsewhere.test") as (port, _):
        for settings in (
            RabbitMQConnection("localhost", port, tls=TRUSTING, reach=Elsewhere()),
            RedisConnection("localhost", port, tls=TRUSTING, reach=Elsewhere()),
        ):
            with pytest.raises(TLSFailed, match=r"certificate verify failed.*localhost"):
                drive(connect(settings))


class Hanging(Elsewhere):
    """A resolver that does not answer before it may."""

    def __init__(self) -> None:
        self.began, self.may_end = threading.Event(), threading.Event()

    def choose(self, host: str, port: int, _found: Sequence[AddressInfo]) -> list[AddressInfo]:
        self.began.set()
        self.may_end.wait(30)
        raise HostNotAllowed(f"{host}:{port}")


@pytest.mark.parametrize(
    "settings",
    [
        RabbitMQConnection("localhost"),
        RedisConnection("localhost"),
        KafkaConnection(("localhost:9092",)),
    ],
    ids=lambda settings: settings.broker,
)
def test_lookup_that_hangs_holds_up_no_other_login(
    settings: RabbitMQConnection | RedisConnection | KafkaConnection,
) -> None:
    hanging, answered = Hanging(), threading.Event()
    meter = Meter[BrokerConnection, QueueReference](connect=connect)
    with listening() as (port, _):
        try:
            meter.watch(replace(settings, reach=hanging), "queue", lambda _: None)
            assert hanging.began.wait(10)
            meter.watch(RabbitMQConnection("localhost", port), "queue", lambda _: answered.set())
            assert answered.wait(10)
            assert meter.late_seconds() == 0
        finally:
            hanging.may_end.set()
            meter.close()
