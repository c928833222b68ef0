"""Key material that OpenSSL can and can't use."""

import datetime
import ssl
import subprocess
import sys
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from workqueuejob.brokers.connection import TLSSettings
from workqueuejob.brokers.tls import build_context
from workqueuejob.errors import TLSFailed

CA = trustme.CA()
PAIR = CA.issue_cert("client.test")
CERTIFICATE = PAIR.cert_chain_pems[0].bytes()
KEY = PAIR.private_key_pem.bytes()
OTHER_KEY = CA.issue_cert("other.test").private_key_pem.bytes()
ENCRYPTED_KEY = load_pem_private_key(KEY, None).private_bytes(
    Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
)


def test_full_verification_is_the_default() -> None:
    context = build_context(TLSSettings(ca=CA.cert_pem.bytes()), field="tls")
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)


def test_no_verification_only_when_it_was_asked_for() -> None:
    context = build_context(TLSSettings(verify=False), field="tls")
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_NONE, False)


def test_pair_is_loaded() -> None:
    build_context(TLSSettings(client_certificate=CERTIFICATE, client_key=KEY), field="tls")


@pytest.mark.parametrize("key", [OTHER_KEY, ENCRYPTED_KEY, b"-----BEGIN nonsense"])
def test_unusable_pair_is_refused_with_its_field_and_asks_nobody(key: bytes) -> None:
    with pytest.raises(TLSFailed, match=r"tls.clientCertificateSecretRef"):
        build_context(TLSSettings(client_certificate=CERTIFICATE, client_key=key), field="tls")


@pytest.mark.parametrize("nonsense", [b"nonsense", b"\xff\0\n", "käse".encode(), b"x" * 2**20])
def test_unusable_ca_is_refused_with_its_field(nonsense: bytes) -> None:
    with pytest.raises(TLSFailed, match=r"tls.caSecretRef"):
        build_context(TLSSettings(ca=b"-----BEGIN CERTIFICATE-----\n" + nonsense), field="tls")


def test_comments_between_certificates_may_be_in_any_language() -> None:
    commented = "# Autorité de confiance ©\n".encode() + CA.cert_pem.bytes() + b"# \xe9\n"
    assert len(build_context(TLSSettings(ca=commented), field="tls").get_ca_certs()) == 1


def a_weak_pair() -> tuple[bytes, bytes]:
    """Return a certificate and its key, of 1024 bits."""
    key = rsa.generate_private_key(65537, 1024)  # noqa: S505 - weak on purpose
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "client.test")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, SHA256())
    )
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return certificate.public_bytes(Encoding.PEM), pem


def test_pair_that_is_too_weak_is_called_so() -> None:
    certificate, key = a_weak_pair()
    with pytest.raises(TLSFailed, match=r"tls.clientCertificateSecretRef: .* too weak \(EE_KEY_"):
        build_context(TLSSettings(client_certificate=certificate, client_key=key), field="tls")


WITHOUT_CIPHERS = """openssl_conf = init
[init]
providers = providers
[providers]
null = null
[null]
activate = 1
"""
BUILD = """
from workqueuejob.brokers.connection import TLSSettings
from workqueuejob.brokers.tls import build_context
from workqueuejob.errors import TLSFailed
try:
    build_context(TLSSettings(), field="tls")
except TLSFailed as error:
    print(error)
"""


def test_openssl_that_can_do_nothing_is_not_blamed_on_the_material(tmp_path: Path) -> None:
    configuration = tmp_path / "openssl.cnf"
    configuration.write_text(WITHOUT_CIPHERS)
    done = subprocess.run(
        [sys.executable, "-c", BUILD],
        env={"OPENSSL_CONF": str(configuration), "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "OpenSSL can't be used (LIBRARY_HAS_NO_CIPHERS)" in done.stdout
    assert "OPENSSL_CONF" in done.stdout
    assert "caSecretRef" not in done.stdout
