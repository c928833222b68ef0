"""From a queue's spec and its Secrets to the settings that a connection is opened with.

Pure: the caller reads the Secrets that `required_secrets` names. Nothing here opens a connection,
and no repr, message or error holds a password, a private key or a URI that could contain one.
"""

from collections.abc import Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit

from workqueuejob.api import TLS, AuthMechanism, QueueSource, RabbitMQQueue, Verification
from workqueuejob.errors import QueueTypeUnsupported, TLSFailed
from workqueuejob.protocol.connection import (
    AMQP_PORT,
    AMQPS_PORT,
    DEFAULT_CREDENTIALS,
    DEFAULT_VIRTUAL_HOST,
    RabbitMQConnection,
    TLSSettings,
)
from workqueuejob.protocol.connection import (
    RABBITMQ_FIELD as FIELD,
)
from workqueuejob.protocol.uri import BrokerAddress, parse_uri
from workqueuejob.queues.secrets import SecretReader


def required_secrets(queue: QueueSource) -> frozenset[str]:
    """Return the names of the Secrets that `resolve_connection` needs, in the same namespace."""
    source = _rabbitmq(queue)
    tls = source.tls or TLS()
    references = (
        source.uri_secret_ref,
        source.credentials_secret_ref,
        tls.ca_secret_ref,
        tls.client_certificate_secret_ref,
    )
    return frozenset(reference.name for reference in references if reference is not None)


def resolve_connection(
    queue: QueueSource,
    *,
    namespace: str,
    secrets: Mapping[str, Mapping[str, bytes] | None],
) -> RabbitMQConnection:
    """Return the connection's settings; `secrets` maps a name to its data, or to None.

    Raises SecretNotFound, SecretKeyMissing, CredentialsNotURLSafe (a URI that can't be parsed)
    or TLSFailed; each names the Secret, the key and the field.
    """
    source = _rabbitmq(queue)
    reader = SecretReader(secrets, namespace)
    address = _read_address(source, reader)
    tls = _read_tls(source, reader, encrypted=address.encrypted)
    username, password = _choose_credentials(source, address)
    management = source.management
    return RabbitMQConnection(
        host=resolve_host(address.host, namespace),
        port=address.port or (AMQP_PORT if tls is None else AMQPS_PORT),
        virtual_host=address.virtual_host or DEFAULT_VIRTUAL_HOST,
        username=username,
        password=password,
        auth_mechanism=str(source.auth_mechanism),
        tls=tls,
        management_url=None if management is None else _resolve_url(management.url, namespace),
    )


def queue_reference(queue: QueueSource) -> str:
    """Return what a probe calls the queue: for RabbitMQ its name."""
    return _rabbitmq(queue).queue


def resolve_host(host: str, namespace: str) -> str:
    """Return a host that means the same in the operator's namespace as in the object's.

    A name without a dot is a Service beside the WorkQueueJob: `mq` is `mq.<namespace>.svc`.
    """
    if "." in host or host == "localhost" or _is_ip_address(host):
        return host
    return f"{host}.{namespace}.svc"


def _rabbitmq(queue: QueueSource) -> RabbitMQQueue:
    if queue.rabbitmq is None:
        raise QueueTypeUnsupported("spec.queue names no broker that is known here; set rabbitmq")
    return queue.rabbitmq


def _is_ip_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _resolve_url(url: str, namespace: str) -> str:
    parts = urlsplit(url)
    host = resolve_host(parts.hostname or "", namespace)
    host = f"[{host}]" if ":" in host else host
    # As text: urllib raises for a port like 99999, which is the client's to refuse.
    _, colon, port = parts.netloc.rpartition("]")[2].partition(":")
    return f"{parts.scheme}://{host}{colon}{port}{parts.path.rstrip('/')}"


def _read_address(source: RabbitMQQueue, reader: SecretReader) -> BrokerAddress:
    reference = source.uri_secret_ref
    if reference is not None:
        where = f"{FIELD}.uriSecretRef"
        uri = reader.read_text(reference.name, reference.key, field=where)
        return parse_uri(uri, where=reader.locate(reference.name, reference.key, field=where))
    credentials = source.credentials_secret_ref
    username = password = None
    if credentials is not None:
        where = f"{FIELD}.credentialsSecretRef"
        username = reader.read_text(credentials.name, credentials.username_key, field=where)
        password = reader.read_text(credentials.name, credentials.password_key, field=where)
    return BrokerAddress(
        host=(source.host or "").strip("[]"),
        port=source.port,
        virtual_host=source.vhost,
        username=username,
        password=password,
    )


def _choose_credentials(source: RabbitMQQueue, address: BrokerAddress) -> tuple[str, str]:
    if address.username is not None:
        return address.username, address.password or ""
    return ("", "") if source.auth_mechanism is AuthMechanism.EXTERNAL else DEFAULT_CREDENTIALS


def _read_tls(
    source: RabbitMQQueue, reader: SecretReader, *, encrypted: bool | None
) -> TLSSettings | None:
    settings = None if source.tls is None else _read_tls_material(source.tls, reader)
    if settings is not None and encrypted is False:
        raise TLSFailed(
            f"{FIELD}.tls is set, but the URI of {FIELD}.uriSecretRef begins with amqp://; "
            "write amqps:// in the Secret, or remove tls"
        )
    if settings is None and encrypted:
        settings = TLSSettings()
    if source.auth_mechanism is AuthMechanism.EXTERNAL and (
        settings is None or settings.client_key is None
    ):
        raise TLSFailed(
            f"{FIELD}.authMechanism EXTERNAL logs in by certificate, and there is none; "
            f"set {FIELD}.tls.clientCertificateSecretRef"
        )
    return settings


def _read_tls_material(tls: TLS, reader: SecretReader) -> TLSSettings:
    ca = certificate = key = None
    if (reference := tls.ca_secret_ref) is not None:
        ca = reader.read_pem(reference.name, reference.key, field=f"{FIELD}.tls.caSecretRef")
    if (pair := tls.client_certificate_secret_ref) is not None:
        where = f"{FIELD}.tls.clientCertificateSecretRef"
        certificate = reader.read_pem(pair.name, pair.certificate_key, field=where)
        key = reader.read_pem(pair.name, pair.private_key_key, field=where)
    return TLSSettings(
        ca=ca,
        client_certificate=certificate,
        client_key=key,
        server_name=tls.server_name,
        verify=tls.verification is Verification.FULL,
    )
