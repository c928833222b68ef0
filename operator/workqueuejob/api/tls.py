"""How a connection to a broker is encrypted and verified; the same for every broker."""

from enum import StrEnum

from workqueuejob.api.base import Model
from workqueuejob.api.scalars import HostName
from workqueuejob.api.secrets import CASecretReference, ClientCertificateSecretReference


class Verification(StrEnum):
    """Whether the broker must prove who it is."""

    FULL = "Full"
    NONE = "None"


class TLS(Model):
    """TLS to a broker. `{}` turns TLS on, with the system's certificate authorities."""

    ca_secret_ref: CASecretReference | None = None
    """Secret with the certificate authorities to trust, in PEM. They replace the system's. Unset:
    the system's."""

    client_certificate_secret_ref: ClientCertificateSecretReference | None = None
    """Secret with the certificate and private key that the operator and the pods show to the
    broker. Unset: they show none."""

    server_name: HostName | None = None
    """The name that the broker's certificate must carry. It is also sent as SNI. Set it when the
    certificate names another host than the one you connect to. It can't be set with Kafka. Unset:
    the host that you connect to."""

    verification: Verification = Verification.FULL
    """Full: check the broker's certificate and its name. None: encrypt without checking who the
    broker is. Use None for tests only. Default: Full."""
