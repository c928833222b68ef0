"""Reading a Secret's data, with errors that say which Secret, key and field to mend.

Works on data that somebody else fetched, and never puts a value into a message.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from workqueuejob.api import TLS, Verification
from workqueuejob.brokers.connection import TLSSettings
from workqueuejob.contract.secret_text import drop_line_break
from workqueuejob.errors import SecretKeyMissing, SecretNotFound, TLSFailed

PEM_MARK = b"-----BEGIN "


class _Reference(Protocol):
    @property
    def name(self) -> str: ...


class LoginReference(Protocol):
    """A Secret with a password, and with the user name if the key of that is named."""

    @property
    def name(self) -> str:
        """Of the Secret."""
        ...

    @property
    def username_key(self) -> str | None:
        """None where the Secret has no user name."""
        ...

    @property
    def password_key(self) -> str:
        """Of the password."""
        ...


def list_secret_names(*references: _Reference | None) -> tuple[str, ...]:
    """Return the names of the Secrets that are referred to; a reference may be unset."""
    return tuple(reference.name for reference in references if reference is not None)


@dataclass(frozen=True, slots=True)
class SecretReader:
    """The Secrets of one namespace: name to data, or None for one that is not there."""

    secrets: Mapping[str, Mapping[str, bytes] | None]
    namespace: str

    def __repr__(self) -> str:
        return f"SecretReader(namespace={self.namespace!r})"

    def locate(self, name: str, key: str, *, field: str) -> str:
        """Return the words by which a message names a key and the field that refers to it."""
        return f"key {key!r} of Secret {name!r} in namespace {self.namespace!r} ({field})"

    def read(self, name: str, key: str, *, field: str) -> bytes:
        """Return a key's bytes; raise SecretNotFound or SecretKeyMissing."""
        data = self.secrets.get(name)
        if data is None:
            raise SecretNotFound(
                f"Secret {name!r} not found in namespace {self.namespace!r} ({field}); "
                "create it or correct the reference"
            )
        if not data.get(key):
            raise SecretKeyMissing(
                # Not the other keys: people read conditions who may not read the Secret.
                f"{self.locate(name, key, field=field)} is missing or empty; add it, or name "
                f"the Secret's right key in {field}"
            )
        return data[key]

    def read_text(self, name: str, key: str, *, field: str) -> str:
        """Return a key's value as text, without a line break at its end; raise as `read` does."""
        try:
            text = drop_line_break(self.read(name, key, field=field).decode())
        except UnicodeDecodeError:
            # Without the cause: it would carry the value.
            raise SecretKeyMissing(
                f"{self.locate(name, key, field=field)} is not UTF-8 text; store it as text"
            ) from None
        if not text:
            raise SecretKeyMissing(
                f"{self.locate(name, key, field=field)} has nothing but a line break; store the"
                " value"
            )
        return text

    def read_pem(self, name: str, key: str, *, field: str) -> bytes:
        """Return PEM bytes; raise as `read` does, or TLSFailed when it is no PEM."""
        value = self.read(name, key, field=field)
        if PEM_MARK not in value:
            raise TLSFailed(
                f"{self.locate(name, key, field=field)} is not PEM; "
                "store the text that begins with -----BEGIN"
            )
        return value


def read_login(
    reference: LoginReference | None,
    reader: SecretReader,
    *,
    field: str,
    username: str | None = None,
) -> tuple[str | None, str | None]:
    """Return user name and password; None for each that is not named.

    field: that of the reference. username: the one beside the reference, which then counts. Raises
    as `SecretReader.read_text` does.
    """
    if reference is None:
        return None, None
    if username is None and reference.username_key is not None:
        username = reader.read_text(reference.name, reference.username_key, field=field)
    return username, reader.read_text(reference.name, reference.password_key, field=field)


def read_tls(
    tls: TLS | None,
    reader: SecretReader,
    *,
    field: str,
    encrypted: bool | None,
    schemes: tuple[str, str],
) -> TLSSettings | None:
    """Return what `spec.queue.<broker>.tls` and the URI stand for together.

    encrypted: what the URI says, if there is one. schemes: of a plain and of an encrypted URI.
    Raises as `SecretReader.read_pem` does, and TLSFailed when the two contradict each other.
    """
    if tls is None:
        return TLSSettings() if encrypted else None
    settings = _read_material(tls, reader, field=field)
    if encrypted is False:
        plain, secure = schemes
        raise TLSFailed(
            f"{field}.tls is set, but the URI of {field}.uriSecretRef begins with {plain}://; "
            f"write {secure}:// in the Secret, or remove tls"
        )
    return settings


def _read_material(tls: TLS, reader: SecretReader, *, field: str) -> TLSSettings:
    ca = certificate = key = None
    if (reference := tls.ca_secret_ref) is not None:
        ca = reader.read_pem(reference.name, reference.key, field=f"{field}.tls.caSecretRef")
    if (pair := tls.client_certificate_secret_ref) is not None:
        where = f"{field}.tls.clientCertificateSecretRef"
        certificate = reader.read_pem(pair.name, pair.certificate_key, field=where)
        key = reader.read_pem(pair.name, pair.private_key_key, field=where)
    return TLSSettings(
        ca=ca,
        client_certificate=certificate,
        client_key=key,
        server_name=tls.server_name,
        verify=tls.verification is Verification.FULL,
    )
