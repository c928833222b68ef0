"""Checks where librdkafka is about to connect: the bootstrap servers, and the brokers they name.

librdkafka looks host names up itself, and its Python client offers no hook for that. So a name is
checked here, and looked up again by librdkafka: the name's DNS server can answer
differently the second time. docs/operations.md says so, and what to do about it.
"""

import time
from collections.abc import Sequence
from contextlib import suppress

from workqueuejob.brokers.connection import Reach
from workqueuejob.brokers.kafka.settings import KafkaConnection
from workqueuejob.brokers.lookup import check_every_address

LOOK_UP_AGAIN_SECONDS = 30.0
"""After so long, the addresses of unchanged brokers are checked again."""

Node = tuple[str, int]
"""The host and port of a broker."""


class HostGuard:
    """Checks hosts by the connection's reach; without one it allows every host."""

    def __init__(self, settings: KafkaConnection) -> None:
        self._settings = settings
        self._checked: frozenset[Node] = frozenset()
        self._checked_at = 0.0

    def check_bootstrap_servers(self) -> None:
        """Raise HostNotAllowed for a server at an address that may not be connected to."""
        reach = self._settings.reach
        if reach is None:
            return
        for server in self._settings.bootstrap_servers:
            host, _, port = server.rpartition(":")
            _check_addresses(host, int(port), reach)

    def check_nodes(self, nodes: Sequence[Node]) -> None:
        """Raise HostNotAllowed for a broker that the cluster names and that may not be reached."""
        reach = self._settings.reach
        if reach is None:
            return
        for host, port in nodes:
            reach.check(host, port, field="advertised.listeners of the brokers")
        named, now = frozenset(nodes), time.monotonic()
        if named <= self._checked and now - self._checked_at < LOOK_UP_AGAIN_SECONDS:
            return
        for host, port in named:
            _check_addresses(host, port, reach)
        self._checked, self._checked_at = named, now


def _check_addresses(host: str, port: int, reach: Reach) -> None:
    """Raise HostNotAllowed; does nothing for an unknown host, which librdkafka reports."""
    with suppress(OSError, UnicodeError):
        check_every_address(host, port, reach)
