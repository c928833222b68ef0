"""Key material that OpenSSL can and can't use."""

import ssl

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
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
