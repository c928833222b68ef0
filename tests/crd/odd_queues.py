"""Queues, hosts and ports that lead nowhere, or to somebody who is no broker."""

from .odd import BROKER_HOST, RABBITMQ, REDIS_HOST, Accepted, Change, unreachable

KUBERNETES = "kubernetes.default.svc"


def at_kafka(server: str, **changes: object) -> tuple[Change, Change]:
    """Return what makes the queue a topic of a cluster that is told by one broker."""
    topic = {"bootstrapServers": [server], "topic": "orders", "consumerGroup": "billing"}
    return ("spec.queue", {"kafka": topic | changes}), ("spec.mode", "Fine")


QUEUES = [
    unreachable("a queue of CRLF", "QueueNotFound", r"'a\r\nb'", (f"{RABBITMQ}.queue", "a\r\nb")),
    unreachable("a queue of NUL", "QueueNotFound", r"'\x00'", (f"{RABBITMQ}.queue", "\0")),
    unreachable(
        "a queue that colours the terminal",
        "QueueNotFound",
        r"\x1b[31m",
        (f"{RABBITMQ}.queue", "\x1b[31mred"),
    ),
    unreachable("a queue of emoji", "QueueNotFound", "🍎" * 63, (f"{RABBITMQ}.queue", "🍎" * 63)),
    unreachable(
        "a queue that is a reference",
        "QueueNotFound",
        "$(BROKER_URL)",
        (f"{RABBITMQ}.queue", "$(BROKER_URL)"),
    ),
    unreachable(
        "a queue up the path",
        "QueueNotFound",
        "../../%2F",
        (f"{RABBITMQ}.queue", "../../%2F?x=y#z"),
    ),
    unreachable(
        "a queue of the broker's own",
        "QueueNotFound",
        "amq.gen-1",
        (f"{RABBITMQ}.queue", "amq.gen-1"),
    ),
    unreachable(
        "a virtual host, encoded", "VirtualHostNotFound", "'%2F'", (f"{RABBITMQ}.vhost", "%2F")
    ),
    unreachable(
        "a virtual host of CRLF", "VirtualHostNotFound", r"'\r\n'", (f"{RABBITMQ}.vhost", "\r\n")
    ),
    unreachable(
        "a database that there is not",
        "QueueNotFound",
        "database 999999",
        ("spec.queue", {"redis": {"host": REDIS_HOST, "database": 999_999, "list": {"key": "a"}}}),
    ),
]

HOSTS = [
    unreachable(
        "the operator itself", "HostNotAllowed", "localhost:5672", (f"{RABBITMQ}.host", "localhost")
    ),
    unreachable("IPv6's own host", "HostNotAllowed", "[::1]:5672", (f"{RABBITMQ}.host", "::1")),
    unreachable("IPv6 of colons", "ConnectionFailed", "unknown host", (f"{RABBITMQ}.host", "::::")),
    unreachable(
        "IPv6 of nine parts",
        "ConnectionFailed",
        "unknown host",
        (f"{RABBITMQ}.host", "1:2:3:4:5:6:7:8:9"),
    ),
    unreachable("IPv4 in short", "HostNotAllowed", "127.1:5672", (f"{RABBITMQ}.host", "127.1")),
    unreachable(
        "IPv4 past 255", "ConnectionFailed", "unknown host", (f"{RABBITMQ}.host", "256.256.256.256")
    ),
    unreachable(
        "a host's part of 64", "ConnectionFailed", "unknown host", (f"{RABBITMQ}.host", "a" * 64)
    ),
    unreachable(
        "a network that goes nowhere",
        "ConnectionFailed",
        "192.0.2.1:5672: ",
        (f"{RABBITMQ}.host", "192.0.2.1"),
    ),
    unreachable(
        "a port that nobody has", "ConnectionFailed", ":65535: ", (f"{RABBITMQ}.port", 65_535)
    ),
    unreachable("the port of HTTP", "ConnectionFailed", ":15672: ", (f"{RABBITMQ}.port", 15_672)),
    unreachable(
        "Redis' port",
        "ConnectionFailed",
        ":6379: ",
        (f"{RABBITMQ}.host", REDIS_HOST),
        (f"{RABBITMQ}.port", 6379),
    ),
    unreachable(
        "RabbitMQ's port",
        "ConnectionFailed",
        ":5672: ",
        ("spec.queue", {"redis": {"host": BROKER_HOST, "port": 5672, "list": {"key": "a"}}}),
    ),
    unreachable(
        "the API server",
        "ConnectionFailed",
        f"{KUBERNETES}:443: ",
        (f"{RABBITMQ}.host", KUBERNETES),
        (f"{RABBITMQ}.port", 443),
    ),
    unreachable(
        "the API server by TLS",
        "TLSFailed",
        "put the CA that signed it",
        (f"{RABBITMQ}.host", KUBERNETES),
        (f"{RABBITMQ}.port", 443),
        (f"{RABBITMQ}.tls", {}),
    ),
    unreachable(
        "a topic at the operator's own",
        "HostNotAllowed",
        "localhost:9092",
        *at_kafka("localhost:9092"),
    ),
    unreachable(
        "a topic nowhere",
        "ConnectionFailed",
        "nowhere.test:9092: unknown host",
        *at_kafka("nowhere.test:9092"),
    ),
    unreachable(
        "a topic at RabbitMQ's port",
        "ConnectionFailed",
        "which is not Kafka's",
        *at_kafka(f"{BROKER_HOST}:5672"),
    ),
    unreachable(
        "a topic with a Secret that there is not",
        "SecretNotFound",
        "spec.queue.kafka.sasl.credentialsSecretRef",
        *at_kafka(
            "localhost:9092",
            sasl={"mechanism": "PLAIN", "credentialsSecretRef": {"name": "missing"}},
        ),
    ),
    Accepted(
        "a management API in odd brackets",
        ((f"{RABBITMQ}.management", {"url": "http://[::::]:15672"}),),
        "QueueReachable",
        "ManagementUnavailable",
        ("not a URL",),
    ),
    Accepted(
        "a management API past the ports",
        ((f"{RABBITMQ}.management", {"url": "http://mq:99999"}),),
        "QueueReachable",
        "ManagementUnavailable",
        ("spec.queue.rabbitmq.management.url",),
    ),
    Accepted(
        "a management API that speaks AMQP",
        ((f"{RABBITMQ}.management", {"url": "http://{rabbitmq}:5672"}),),
        "QueueReachable",
        "ManagementUnavailable",
        ("connection lost",),
    ),
    Accepted(
        "a management API that is Kubernetes'",
        ((f"{RABBITMQ}.management", {"url": "https://kubernetes.default.svc/api"}),),
        "QueueReachable",
        "ManagementUnavailable",
        ("TLS failed",),
    ),
]
