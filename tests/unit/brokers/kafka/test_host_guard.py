"""The hosts that librdkafka is about to connect to."""

import pytest

from tests.reach import allow
from workqueuejob.brokers.hosts import ALL_HOSTS
from workqueuejob.brokers.kafka.host_guard import HostGuard
from workqueuejob.brokers.kafka.settings import KafkaConnection
from workqueuejob.errors import HostNotAllowed

SERVERS = ("10.1.2.3:9092", "127.0.0.1:9092")


def test_every_bootstrap_server_is_checked() -> None:
    with pytest.raises(HostNotAllowed, match=r"^127.0.0.1:9092 is at an address"):
        HostGuard(KafkaConnection(SERVERS, reach=ALL_HOSTS)).check_bootstrap_servers()
    HostGuard(KafkaConnection(SERVERS[:1], reach=ALL_HOSTS)).check_bootstrap_servers()
    HostGuard(KafkaConnection(SERVERS)).check_bootstrap_servers()


def test_every_broker_is_checked_whenever_the_cluster_names_it() -> None:
    guard = HostGuard(KafkaConnection(SERVERS[:1], reach=ALL_HOSTS))
    guard.check_nodes([("10.1.2.3", 9092)])
    with pytest.raises(HostNotAllowed, match=r"^localhost:9092 is at an address"):
        guard.check_nodes([("10.1.2.3", 9092), ("localhost", 9092)])
    with pytest.raises(HostNotAllowed):
        guard.check_nodes([("localhost", 9092)])


def test_name_of_a_broker_is_checked_in_every_round() -> None:
    guard = HostGuard(KafkaConnection(SERVERS[:1], reach=allow("127.0.0.1", "*.shop.svc")))
    guard.check_nodes([("127.0.0.1", 9092)])
    with pytest.raises(HostNotAllowed, match=r"bank.svc:9092 \(advertised.listeners of the"):
        guard.check_nodes([("127.0.0.1", 9092), ("kafka.bank.svc", 9092)])


def test_unknown_host_is_left_for_librdkafka_to_report() -> None:
    guard = HostGuard(KafkaConnection(("nowhere.invalid:9092",), reach=ALL_HOSTS))
    guard.check_bootstrap_servers()
    guard.check_nodes([("nowhere.invalid", 9092)])
