"""From a RabbitMQ queue's spec and its Secrets to the settings of a connection."""

from urllib.parse import urlsplit

from workqueuejob.api import AuthMechanism, RabbitMQQueue
from workqueuejob.brokers.connection import TLSSettings, bracket
from workqueuejob.brokers.hosts import AllowedHosts, resolve_host
from workqueuejob.brokers.rabbitmq.settings import (
    AMQP_PORT,
    AMQPS_PORT,
    DEFAULT_CREDENTIALS,
    DEFAULT_VIRTUAL_HOST,
    FIELD,
    RabbitMQAddress,
    RabbitMQConnection,
    parse_uri,
)
from workqueuejob.brokers.secrets import SecretReader, list_secret_names, read_login, read_tls
from workqueuejob.errors import TLSFailed

_URL_PORTS = {"http": 80, "https": 443}


def list_logins(source: RabbitMQQueue) -> tuple[str, ...]:
    """Return the names of the Secrets with user name, password or URI."""
    return list_secret_names(source.uri_secret_ref, source.credentials_secret_ref)


def resolve(
    source: RabbitMQQueue, reader: SecretReader, *, namespace: str, allowed_hosts: AllowedHosts
) -> RabbitMQConnection:
    """Return the connection's settings; raises as `resolving.resolve_connection` does."""
    address = _read_address(source, reader)
    tls = _read_tls(source, reader, encrypted=address.encrypted)
    username, password = _choose_credentials(source, address)
    host = resolve_host(address.host, namespace)
    port = address.port or (AMQP_PORT if tls is None else AMQPS_PORT)
    named = "host" if source.uri_secret_ref is None else "uriSecretRef"
    allowed_hosts.check(host, port, field=f"{FIELD}.{named}")
    return RabbitMQConnection(
        host=host,
        port=port,
        virtual_host=address.virtual_host or DEFAULT_VIRTUAL_HOST,
        username=username,
        password=password,
        auth_mechanism=str(source.auth_mechanism),
        tls=tls,
        management_url=_resolve_management(source, namespace, allowed_hosts),
        reach=allowed_hosts,
    )


def _resolve_management(
    source: RabbitMQQueue, namespace: str, allowed_hosts: AllowedHosts
) -> str | None:
    if source.management is None:
        return None
    try:
        parts = urlsplit(source.management.url)
    except ValueError:
        # Brackets around what is no IPv6 address are the client's to refuse.
        return source.management.url
    host = resolve_host(parts.hostname or "", namespace)
    # As text: urllib raises for a port like 99999, which is the client's to refuse.
    _, colon, port = parts.netloc.rpartition("]")[2].partition(":")
    number = int(port) if port.isdecimal() else _URL_PORTS.get(parts.scheme, 0)
    allowed_hosts.check(host, number, field=f"{FIELD}.management.url")
    return f"{parts.scheme}://{bracket(host)}{colon}{port}{parts.path.rstrip('/')}"


def _read_address(source: RabbitMQQueue, reader: SecretReader) -> RabbitMQAddress:
    reference = source.uri_secret_ref
    if reference is not None:
        where = f"{FIELD}.uriSecretRef"
        uri = reader.read_text(reference.name, reference.key, field=where)
        return parse_uri(uri, where=reader.locate(reference.name, reference.key, field=where))
    username, password = read_login(
        source.credentials_secret_ref,
        reader,
        field=f"{FIELD}.credentialsSecretRef",
        username=source.username,
    )
    return RabbitMQAddress(
        host=source.host or "",
        port=source.port,
        virtual_host=source.vhost,
        username=username,
        password=password,
    )


def _choose_credentials(source: RabbitMQQueue, address: RabbitMQAddress) -> tuple[str, str]:
    if address.username is not None:
        return address.username, address.password or ""
    return ("", "") if source.auth_mechanism is AuthMechanism.EXTERNAL else DEFAULT_CREDENTIALS


def _read_tls(
    source: RabbitMQQueue, reader: SecretReader, *, encrypted: bool | None
) -> TLSSettings | None:
    settings = read_tls(
        source.tls, reader, field=FIELD, encrypted=encrypted, schemes=("amqp", "amqps")
    )
    if source.auth_mechanism is AuthMechanism.EXTERNAL and (
        settings is None or settings.client_key is None
    ):
        raise TLSFailed(
            f"{FIELD}.authMechanism EXTERNAL logs in by certificate, and there is none; "
            f"set {FIELD}.tls.clientCertificateSecretRef"
        )
    return settings
