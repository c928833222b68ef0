"""What a worker's environment says of any broker: address, login and certificates. Pure.

Errors name the variable, never its value.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeVar

from workqueuejob.brokers.connection import TLSSettings
from workqueuejob.brokers.uri import BrokerAddress
from workqueuejob.contract import settings as names
from workqueuejob.contract.secret_text import drop_line_break
from workqueuejob.contract.settings import WorkerSettings
from workqueuejob.errors import SettingsInvalid, WorkQueueJobError

Environment = Mapping[str, str]
AddressT = TypeVar("AddressT", bound=BrokerAddress)


def read_address(environ: Environment, parse: Callable[..., AddressT]) -> AddressT:
    """Return the address by the URI that stands in a Secret, or in `BROKER_URL`.

    parse: of a URI, with `where` for its errors.
    """
    name = names.BROKER_URI if names.BROKER_URI in environ else names.BROKER_URL
    uri = environ.get(name, "").strip()
    if not uri:
        raise SettingsInvalid(f"{names.BROKER_URI} is not set, and {names.SETTINGS} names no host")
    try:
        return with_login(parse(uri, where=name), environ)
    except WorkQueueJobError as error:
        raise SettingsInvalid(str(error)) from None


def with_login(address: AddressT, environ: Environment) -> AddressT:
    """Return the address with user name and password of the environment, where it has them."""
    username, password = read_login(environ, names.BROKER_USERNAME, names.BROKER_PASSWORD)
    return replace(
        address,
        username=username or address.username,
        password=address.password if password is None else password,
    )


def read_login(environ: Environment, username: str, password: str) -> tuple[str | None, str | None]:
    """Return user name and password by the names of their variables; None for what is not set."""
    texts = (environ.get(name) for name in (username, password))
    found = [None if text is None else drop_line_break(text) for text in texts]
    return found[0], found[1]


def read_tls(
    settings: WorkerSettings, address: BrokerAddress, environ: Environment
) -> TLSSettings | None:
    """Return how to encrypt; None where neither settings nor URI ask for it."""
    if settings.tls is None and not address.encrypted:
        return None
    return TLSSettings(
        ca=_read_pem(names.TLS_CA, environ),
        client_certificate=_read_pem(names.TLS_CERTIFICATE, environ),
        client_key=_read_pem(names.TLS_PRIVATE_KEY, environ),
        server_name=None if settings.tls is None else settings.tls.server_name,
        verify=True if settings.tls is None else settings.tls.verify,
    )


def _read_pem(name: str, environ: Environment) -> bytes | None:
    text = environ.get(name)
    return text.encode("utf-8", "surrogateescape") if text else None
