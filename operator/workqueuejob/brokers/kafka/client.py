"""librdkafka's settings for a connection, and the errors that it reports by its callback.

librdkafka connects in the background and without end, so a refused login looks like a timeout to
the caller. The reason is only in the errors that go to `error_cb`; `ReportedErrors` keeps them.
Nothing is written to a file: certificates and keys are passed as text.
"""

import os
import sys
from collections import deque
from collections.abc import Iterable
from typing import Any

from confluent_kafka import KafkaError

from workqueuejob.brokers.connection import TLSSettings
from workqueuejob.brokers.kafka import codes
from workqueuejob.brokers.kafka.settings import KafkaConnection

CONNECT_TIMEOUT_MS = 3000
REPLY_TIMEOUT_MS = 10_000
RECONNECT_MAX_MS = 2000
ERRORS_KEPT = 20

DECISIVE = (
    codes.AUTHENTICATION,
    codes.SSL,
    codes.BAD_MSG,
    codes.RESOLVE,
    codes.TRANSPORT,
    codes.ALL_BROKERS_DOWN,
)
"""The codes that say why a broker does not answer, the most specific first."""


class ReportedErrors:
    """The last errors that a client passed to its `error_cb`."""

    def __init__(self) -> None:
        self._errors: deque[KafkaError] = deque(maxlen=ERRORS_KEPT)

    def note(self, error: KafkaError) -> None:
        """Keep an error; librdkafka calls this while it is polled."""
        self._errors.append(error)

    def forget(self) -> None:
        """Drop the errors, because those that follow belong to another request."""
        self._errors.clear()

    @property
    def is_hopeless(self) -> bool:
        """Whether waiting longer for a first answer would not help."""
        reported = {error.code() for error in self._errors}
        return not reported.isdisjoint((*DECISIVE[:2], DECISIVE[-1]))

    def explain(self, error: KafkaError) -> KafkaError:
        """Return the reported error that is the cause of a missing answer; else `error` itself."""
        return find_cause((error, *self._errors))


def find_cause(errors: Iterable[KafkaError]) -> KafkaError:
    """Return the most specific of the later errors if the first says that no answer came.

    Any other first error is returned itself. Of several with the same code it returns the last.
    """
    first, *reported = errors
    if first.code() not in SILENT:
        return first
    for code in DECISIVE:
        for error in reversed(reported):
            if error.code() == code and error is not first:
                return error
    return first


SILENT = (
    codes.TRANSPORT,
    codes.ALL_BROKERS_DOWN,
    codes.TIMED_OUT,
    codes.WAIT_COORD,
    KafkaError.REQUEST_TIMED_OUT,
)
"""The codes with which a request ends when no broker answers it."""


def build_client_settings(
    connection: KafkaConnection, reported: ReportedErrors, *, client_id: str
) -> dict[str, Any]:
    """Return the settings that producers, consumers and admin clients share."""
    settings: dict[str, Any] = {
        "bootstrap.servers": ",".join(connection.bootstrap_servers),
        "client.id": client_id,
        "security.protocol": _security_protocol(connection),
        "error_cb": reported.note,
        # The reported errors hold everything that librdkafka would write to stderr.
        "log_level": 0,
        "socket.connection.setup.timeout.ms": CONNECT_TIMEOUT_MS,
        "socket.timeout.ms": REPLY_TIMEOUT_MS,
        "reconnect.backoff.max.ms": RECONNECT_MAX_MS,
        "socket.keepalive.enable": True,
        "socket.nagle.disable": True,
    }
    if connection.sasl_mechanism is not None:
        settings["sasl.mechanism"] = connection.sasl_mechanism
        settings["sasl.username"] = connection.username or ""
        settings["sasl.password"] = connection.password or ""
    if connection.tls is not None:
        settings |= _tls_settings(connection.tls)
    return settings


def _security_protocol(connection: KafkaConnection) -> str:
    transport = "PLAINTEXT" if connection.tls is None else "SSL"
    return transport if connection.sasl_mechanism is None else f"SASL_{transport}"


def _tls_settings(tls: TLSSettings) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "enable.ssl.certificate.verification": tls.verify,
        "ssl.endpoint.identification.algorithm": "https" if tls.verify else "none",
    }
    if tls.ca is not None:
        settings["ssl.ca.pem"] = tls.ca.decode("ascii", "replace")
    elif roots := _find_injected_roots():
        settings["ssl.ca.location"] = roots
    if tls.client_certificate is not None and tls.client_key is not None:
        settings["ssl.certificate.pem"] = tls.client_certificate.decode("ascii", "replace")
        settings["ssl.key.pem"] = tls.client_key.decode("ascii", "replace")
    return settings


def _find_injected_roots() -> str | None:
    """Return the file of CA certificates that an injected worker brings, or None.

    The image of its pod may have none.
    """
    roots = f"{sys.prefix}/etc/ca-certificates.crt"
    return roots if os.path.exists(roots) else None
