"""Secrets that hold anything but what a connection needs."""

from .odd import RABBITMQ, by_uri, unreachable

PEM = b"-----BEGIN CERTIFICATE-----\n"
LOGIN = (f"{RABBITMQ}.credentialsSecretRef", {"name": "odd"})

SECRETS = [
    unreachable("a Secret that there is not", "SecretNotFound", "create it", LOGIN),
    unreachable(
        "a key that leads up",
        "SecretKeyMissing",
        "'..'",
        (f"{RABBITMQ}.credentialsSecretRef", {"name": "odd", "usernameKey": ".."}),
        username=b"a",
    ),
    unreachable(
        "an empty password",
        "SecretKeyMissing",
        "missing or empty",
        LOGIN,
        username=b"a",
        password=b"",
    ),
    unreachable(
        "a password of odd bytes",
        "SecretKeyMissing",
        "not UTF-8 text",
        LOGIN,
        username=b"a",
        password=b"\xff\xfe",
    ),
    unreachable(
        "a user with a new line",
        "CredentialsNotURLSafe",
        "percent-encoded",
        LOGIN,
        username=b"guest\n",
        password=b"guest",
    ),
    unreachable(
        "a user with a NUL",
        "CredentialsNotURLSafe",
        "percent-encoded",
        LOGIN,
        username=b"a\0b",
        password=b"c",
    ),
    unreachable(
        "a password of 600 KB",
        "AuthenticationFailed",
        "refused",
        LOGIN,
        username=b"guest",
        password=b"x" * 600_000,
    ),
    unreachable(
        "a password with @:/",
        "CredentialsNotURLSafe",
        "percent-encode",
        *by_uri(),
        uri=b"amqp://u:p@:/@{rabbitmq}:5672/",
    ),
    unreachable(
        "a URI of HTTP",
        "CredentialsNotURLSafe",
        "amqp://user:password",
        *by_uri(),
        uri=b"http://{rabbitmq}:5672/",
    ),
    unreachable(
        "a URI of port 0",
        "CredentialsNotURLSafe",
        "amqp://user:password",
        *by_uri(),
        uri=b"amqp://{rabbitmq}:0/",
    ),
    unreachable(
        "a URI of port 65536",
        "CredentialsNotURLSafe",
        "amqp://user:password",
        *by_uri(),
        uri=b"amqp://{rabbitmq}:65536/",
    ),
    unreachable(
        "a URI with a NUL", "ConnectionFailed", "unknown host", *by_uri(), uri=b"amqp://a\0b:5672/"
    ),
    unreachable(
        "a URI of emoji",
        "ConnectionFailed",
        "unknown host",
        *by_uri(),
        uri="amqp://🦊:5672/".encode(),
    ),
    unreachable(
        "a URI of no UTF-8",
        "SecretKeyMissing",
        "not UTF-8 text",
        *by_uri(),
        uri=b"amqp://\xff:5672/",
    ),
    unreachable("a URI that is empty", "SecretKeyMissing", "missing or empty", *by_uri(), uri=b""),
    unreachable(
        "a URI of another virtual host",
        "VirtualHostNotFound",
        "'//@:'",
        *by_uri(),
        uri=b"amqp://guest:guest@{rabbitmq}:5672/%2F%2F%40%3A",
    ),
    unreachable(
        "a CA of nonsense",
        "TLSFailed",
        "caSecretRef",
        (f"{RABBITMQ}.tls", {"caSecretRef": {"name": "odd"}}),
        ca_crt=b"trust me",
    ),
    unreachable(
        "a CA of odd bytes",
        "TLSFailed",
        "caSecretRef",
        (f"{RABBITMQ}.tls", {"caSecretRef": {"name": "odd"}}),
        ca_crt=PEM + b"\xff\0\xfe",
    ),
    unreachable(
        "a pair of nonsense",
        "TLSFailed",
        "clientCertificateSecretRef",
        (f"{RABBITMQ}.tls", {"clientCertificateSecretRef": {"name": "odd"}}),
        tls_crt=PEM + b"a",
        tls_key=PEM + b"b",
    ),
    unreachable(
        "TLS in the field and none in the URI",
        "TLSFailed",
        "write amqps://",
        *by_uri((f"{RABBITMQ}.tls", {})),
        uri=b"amqp://{rabbitmq}:5672/",
    ),
]
