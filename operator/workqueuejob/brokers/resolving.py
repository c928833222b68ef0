"""From a queue's spec and its Secrets to the settings that a connection is opened with.

Pure: the caller reads the Secrets that `required_secrets` names. Nothing here opens a connection,
and no repr, message or error holds a password, a private key or a URI that could contain one.
"""

from collections.abc import Mapping

from workqueuejob.api import TLS, QueueSource
from workqueuejob.api.queue import CHOICES
from workqueuejob.brokers.connection import BrokerConnection
from workqueuejob.brokers.hosts import AllowedHosts
from workqueuejob.brokers.registry import find_room
from workqueuejob.brokers.secrets import SecretReader, list_secret_names
from workqueuejob.errors import QueueTypeUnsupported


def required_secrets(queue: QueueSource) -> frozenset[str]:
    """Return the names of the Secrets that `resolve_connection` needs, in the same namespace."""
    if queue.broker is None or queue.source is None:
        return frozenset()
    tls = queue.source.encryption or TLS()
    certificates = list_secret_names(tls.ca_secret_ref, tls.client_certificate_secret_ref)
    return frozenset((*find_room(queue.broker).resolve.list_logins(queue.source), *certificates))


def resolve_connection(
    queue: QueueSource,
    *,
    namespace: str,
    secrets: Mapping[str, Mapping[str, bytes] | None],
    allowed_hosts: AllowedHosts,
) -> BrokerConnection:
    """Return the connection's settings; `secrets` maps a name to its data, or to None.

    Raises SecretNotFound, SecretKeyMissing, CredentialsNotURLSafe (a URI that can't be parsed)
    or TLSFailed; each names the Secret, the key and the field. Raises HostNotAllowed, with host
    and field, for every host that is named and may not be connected to.
    """
    if queue.broker is None:
        raise QueueTypeUnsupported(f"spec.queue names no broker that is known here; set {CHOICES}")
    return find_room(queue.broker).resolve.resolve(
        queue.source,
        SecretReader(secrets, namespace),
        namespace=namespace,
        allowed_hosts=allowed_hosts.within(namespace),
    )
