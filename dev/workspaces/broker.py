"""The RabbitMQ in the cluster, reached from here by a port-forward."""

import contextlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pika
import urllib3

from dev.environment import Cluster

from .forwarding import forwarded_ports
from .prepared import BROKER_NAMESPACE


@dataclass(frozen=True, slots=True)
class Broker:
    """A RabbitMQ by its forwarded ports."""

    amqp_port: int
    management_port: int

    @contextmanager
    def channel(self, *, vhost: str = "/") -> Iterator[Any]:
        """Yield a channel with publisher confirms."""
        parameters = pika.ConnectionParameters("127.0.0.1", self.amqp_port, vhost, heartbeat=0)
        connection = pika.BlockingConnection(parameters)
        try:
            channel = connection.channel()
            channel.confirm_delivery()
            yield channel
        finally:
            with contextlib.suppress(pika.exceptions.AMQPError):
                connection.close()

    def declare(self, queue: str) -> None:
        with self.channel() as channel:
            channel.queue_declare(queue, durable=True)

    def publish(self, queue: str, items: Sequence[str], *, vhost: str = "/") -> None:
        """Declare the durable queue and publish persistent messages, each confirmed."""
        with self.channel(vhost=vhost) as channel:
            channel.queue_declare(queue, durable=True)
            for item in items:
                channel.basic_publish(
                    "", queue, item.encode(), pika.BasicProperties(delivery_mode=2)
                )

    def steal(self, queue: str, count: int) -> list[str]:
        """Take items and acknowledge them, as another consumer would."""
        taken = []
        with self.channel() as channel:
            for _ in range(count):
                method, _properties, body = channel.basic_get(queue, auto_ack=False)
                assert method is not None, "nothing to steal"
                taken.append(body.decode())
                channel.basic_ack(method.delivery_tag)
        return taken

    def depth(self, queue: str) -> int:
        """Return the items that are ready."""
        with self.channel() as channel:
            count: int = channel.queue_declare(queue, passive=True).method.message_count
            return count

    def purge(self, queue: str) -> int:
        """Remove the items that are ready; return how many they were."""
        with self.channel() as channel:
            removed: int = channel.queue_purge(queue).method.message_count
            return removed

    def add_user(self, name: str, password: str, *, permissions: bool = True) -> None:
        self._manage("PUT", f"users/{quote(name)}", {"password": password, "tags": "management"})
        if permissions:
            self.grant(name)

    def grant(self, user: str, *, vhost: str = "/") -> None:
        """Let a user do everything in a virtual host."""
        everything = {"configure": ".*", "write": ".*", "read": ".*"}
        self._manage("PUT", f"permissions/{quote(vhost, safe='')}/{quote(user)}", everything)

    def add_vhost(self, name: str) -> None:
        """Make a virtual host that the broker's own user may use."""
        self._manage("PUT", f"vhosts/{quote(name, safe='')}", {})
        self.grant("guest", vhost=name)

    def remove(self, name: str) -> None:
        """Remove the queue, the user and the virtual host of a name, if they exist."""
        with self.channel() as channel:
            channel.queue_delete(name)
        self._manage("DELETE", f"users/{quote(name)}")
        self._manage("DELETE", f"vhosts/{quote(name, safe='')}")

    def list_connections(self) -> list[dict[str, Any]]:
        """Return `user`, `peer_host` and `peer_port` of each connection, as of seconds ago."""
        columns = {"user", "peer_host", "peer_port"}
        answer = self._manage("GET", f"connections?columns={','.join(sorted(columns))}")
        listed: list[dict[str, Any]] = json.loads(answer)
        # A connection that is just being opened or closed has no user.
        return [connection for connection in listed if connection.keys() >= columns]

    def cut_connections(self, user: str, *, client: str) -> int:
        """Close the connections of a user by a client of that name; return how many they were.

        The management API lists a connection seconds after it was opened.
        """
        listed: list[dict[str, Any]] = json.loads(self._manage("GET", "connections"))
        cut = [
            connection["name"]
            for connection in listed
            if connection.get("user") == user
            and connection.get("client_properties", {}).get("connection_name") == client
        ]
        for name in cut:
            self._manage("DELETE", f"connections/{quote(name)}")
        return len(cut)

    def _manage(self, method: str, path: str, body: dict[str, Any] | None = None) -> bytes:
        response = urllib3.request(
            method,
            f"http://127.0.0.1:{self.management_port}/api/{path}",
            body=None if body is None else json.dumps(body),
            headers={
                **urllib3.make_headers(basic_auth="guest:guest"),
                "Content-Type": "application/json",
            },
        )
        gone = method == "DELETE" and response.status == 404
        assert gone or response.status < 300, response.data
        return response.data


@contextmanager
def forwarded_broker(cluster: Cluster) -> Iterator[Broker]:
    """Forward free ports of this machine to the broker until the context ends."""
    with forwarded_ports(cluster, BROKER_NAMESPACE, "rabbitmq-service", 5672, 15672) as ports:
        yield Broker(amqp_port=ports[5672], management_port=ports[15672])
