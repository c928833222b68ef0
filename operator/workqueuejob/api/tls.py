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
    """TLS to a broker. Being there is what turns it on: `{}` is TLS with the system's roots."""

    ca_secret_ref: CASecretReference | None = None
    """Secret with the certificate authorities to trust, in PEM. They replace the system's. Unset:
    the system's."""

    client_certificate_secret_ref: ClientCertificateSecretReference | None = None
    """Secret with the certificate and private key that we show to the broker. Unset: none is
    shown."""

    server_name: HostName | None = None
    """Name that the broker's certificate must carry, also sent as SNI. Unset: the host that we
    connect to. Set it when the certificate was issued for another name than the one in use here."""

    verification: Verification = Verification.FULL
    """Full checks the broker's certificate and its name; None encrypts without knowing to whom,
    for tests only. Default: Full."""
