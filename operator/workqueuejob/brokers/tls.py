"""TLS for brokers and their management APIs, and what its failures mean.

Key material goes to OpenSSL through anonymous memory, never through a file on a disk.
"""

import os
import ssl
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from workqueuejob.brokers.connection import TLSSettings
from workqueuejob.errors import TLSFailed

HOSTNAME_MISMATCH = 62
IP_ADDRESS_MISMATCH = 64
CERTIFICATE_EXPIRED = 10
TOO_WEAK_CODES = frozenset({66, 67, 68})
"""Of a verification: key of the certificate, key of a CA, digest of a CA."""
TOO_WEAK = ("KEY_TOO_SMALL", "MD_TOO_WEAK", "DH_KEY_TOO_SMALL")
"""Parts of OpenSSL's reasons for material below its security level."""


def build_context(settings: TLSSettings, *, field: str) -> ssl.SSLContext:
    """Return a client context; raise TLSFailed when the material can't be used."""
    try:
        context = ssl.create_default_context(
            # Between the certificates may be comments in any language.
            cadata=None if settings.ca is None else settings.ca.decode("ascii", "ignore")
        )
    except ssl.SSLError as error:
        _check_library()
        raise TLSFailed(
            f"{field}.caSecretRef: not a CA certificate ({error.reason or 'unreadable'}); "
            "store the CA's PEM"
        ) from None
    if settings.ca is None:
        _add_travelled_roots(context)
    if not settings.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if settings.client_certificate is not None and settings.client_key is not None:
        _load_client_certificate(context, settings.client_certificate, settings.client_key, field)
    return context


def _check_library() -> None:
    """Raise TLSFailed if OpenSSL can do no TLS at all, whatever the material is."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    except ssl.SSLError as error:
        raise TLSFailed(
            f"OpenSSL can't be used ({error.reason or 'no reason given'}); correct its"
            " configuration: the variable OPENSSL_CONF, or the openssl.cnf of this image"
        ) from None


def _add_travelled_roots(context: ssl.SSLContext) -> None:
    """Trust what an injected worker brought along: the image that it is in may have no roots.

    Whoever sets OpenSSL's own variables has chosen which to trust.
    """
    roots = f"{sys.prefix}/etc/ca-certificates.crt"
    chosen = {"SSL_CERT_FILE", "SSL_CERT_DIR"} & os.environ.keys()
    if not chosen and os.path.exists(roots):
        context.load_verify_locations(roots)


def describe(error: ssl.SSLError, *, address: str, field: str) -> str:
    """Return what to change after a failed handshake."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _describe_verification(error, address=address, field=field)
    # Only OpenSSL's own errors have a reason.
    reason = getattr(error, "reason", None) or type(error).__name__
    if reason in {"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "UNEXPECTED_MESSAGE"}:
        return f"{address}: answers without TLS; correct the port, or remove {field}"
    return refused(reason, address=address, field=field)


def refused(detail: str, *, address: str, field: str) -> str:
    """Return what to change when the other side broke the handshake off."""
    return (
        f"{address}: TLS handshake refused ({detail}); "
        f"correct {field}.clientCertificateSecretRef or the port"
    )


def _describe_verification(error: ssl.SSLCertVerificationError, *, address: str, field: str) -> str:
    if error.verify_code in {HOSTNAME_MISMATCH, IP_ADDRESS_MISMATCH}:
        remedy = f"set {field}.serverName to a name in the certificate"
    elif error.verify_code == CERTIFICATE_EXPIRED:
        remedy = "renew the broker's certificate"
    elif error.verify_code in TOO_WEAK_CODES:
        remedy = "give the broker a certificate with a larger key or a stronger digest"
    else:
        remedy = f"put the CA that signed it into {field}.caSecretRef"
    return f"{address}: certificate verify failed: {error.verify_message}; {remedy}"


def _load_client_certificate(
    context: ssl.SSLContext, certificate: bytes, key: bytes, field: str
) -> None:
    with _in_memory(certificate) as certificate_path, _in_memory(key) as key_path:
        try:
            # An encrypted key must fail: without a password OpenSSL asks on the terminal.
            context.load_cert_chain(certificate_path, key_path, password="")
        except (ssl.SSLError, ValueError) as error:
            reason = getattr(error, "reason", None) or ""
            if reason.endswith(TOO_WEAK):
                raise TLSFailed(
                    f"{field}.clientCertificateSecretRef: OpenSSL refuses the certificate as too"
                    f" weak ({reason}); issue one with a larger key or a stronger digest, or lower"
                    " the security level (OPENSSL_CONF)"
                ) from None
            raise TLSFailed(
                f"{field}.clientCertificateSecretRef: certificate and private key are unreadable, "
                "encrypted or no pair; store an unencrypted PEM pair"
            ) from None


@contextmanager
def _in_memory(data: bytes) -> Iterator[str]:
    descriptor = os.memfd_create("pem", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, data)
        os.lseek(descriptor, 0, os.SEEK_SET)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
