"""How to reach a broker: everything that makes two connections the same.

Values only; who reads them from a spec or an environment is somebody else. No repr shows a password
or a private key.
"""

from dataclasses import dataclass, field

AMQP_PORT = 5672
AMQPS_PORT = 5671
DEFAULT_VIRTUAL_HOST = "/"
DEFAULT_CREDENTIALS = ("guest", "guest")
REDIS_PORT = 6379

RABBITMQ_FIELD = "spec.queue.rabbitmq"
REDIS_FIELD = "spec.queue.redis"
KAFKA_FIELD = "spec.queue.kafka"


@dataclass(frozen=True, slots=True)
class TLSSettings:
    """How to verify the broker and to prove who we are; PEM bytes, not files.

    ca: None means the system's roots. server_name: None means the host that is connected to.
    """

    ca: bytes | None = field(default=None, repr=False)
    client_certificate: bytes | None = field(default=None, repr=False)
    client_key: bytes | None = field(default=None, repr=False)
    server_name: str | None = None
    verify: bool = True


@dataclass(frozen=True, slots=True)
class RabbitMQConnection:
    """One RabbitMQ broker and virtual host."""

    host: str
    port: int = AMQP_PORT
    virtual_host: str = DEFAULT_VIRTUAL_HOST
    username: str = DEFAULT_CREDENTIALS[0]
    password: str = field(default=DEFAULT_CREDENTIALS[1], repr=False)
    auth_mechanism: str = "PLAIN"
    tls: TLSSettings | None = None
    management_url: str | None = None

    @property
    def address(self) -> str:
        """`host:port`, for messages and logs."""
        return join_address(self.host, self.port)


@dataclass(frozen=True, slots=True)
class Sentinel:
    """Redis Sentinels, which know the host of the master; they share its TLS and credentials.

    addresses: `host:port` each.
    """

    master_name: str
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RedisConnection:
    """One Redis database; either `host` or `sentinel` says where it is.

    username: None is Redis' default user. password: None means no AUTH.
    """

    host: str = ""
    port: int = REDIS_PORT
    database: int = 0
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: TLSSettings | None = None
    sentinel: Sentinel | None = None

    @property
    def address(self) -> str:
        """`host:port`, or the Sentinels' name of the master, for messages and logs."""
        if self.sentinel is not None:
            return f"{self.sentinel.master_name} by sentinel {self.sentinel.addresses[0]}"
        return join_address(self.host, self.port)


@dataclass(frozen=True, slots=True)
class KafkaConnection:
    """One Kafka cluster.

    bootstrap_servers: `host:port` each; they name all others.
    sasl_mechanism: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512; None means no login.
    """

    bootstrap_servers: tuple[str, ...]
    sasl_mechanism: str | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: TLSSettings | None = None

    @property
    def address(self) -> str:
        """The first of the bootstrap servers, for messages and logs."""
        return self.bootstrap_servers[0]


BrokerConnection = RabbitMQConnection | RedisConnection | KafkaConnection


def join_address(host: str, port: int) -> str:
    """Return `host:port`."""
    return f"{bracket(host)}:{port}"


def bracket(host: str) -> str:
    """Return a host as it stands before a port: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host
