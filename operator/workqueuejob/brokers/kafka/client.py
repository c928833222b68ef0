"""librdkafka's settings for a connection, and what it says of its brokers in passing.

librdkafka connects by itself and for ever, so that a refused login looks like a timeout to who
asks; the reason is only in the errors that it reports aside, which `Heard` keeps. Nothing is
written to a file: certificates and keys are handed over as text.
"""

import os
import sys
from collections import deque
from collections.abc import Iterable
from typing import Any

from confluent_kafka import KafkaError

from workqueuejob.brokers.connection import KafkaConnection, TLSSettings
from workqueuejob.brokers.kafka import codes

CONNECT_TIMEOUT_MS = 3000
REPLY_TIMEOUT_MS = 10_000
LONGEST_RECONNECT_MS = 2000
SEVERAL = 20

DECISIVE = (
    codes.AUTHENTICATION,
    codes.SSL,
    codes.BAD_MSG,
    codes.RESOLVE,
    codes.TRANSPORT,
    codes.ALL_BROKERS_DOWN,
)
"""What tells why a broker does not answer, the most telling first."""


class Heard:
    """The last errors that a client reported aside."""

    def __init__(self) -> None:
        self._errors: deque[KafkaError] = deque(maxlen=SEVERAL)

    def note(self, error: KafkaError) -> None:
        """Keep it; librdkafka calls this while it is polled."""
        self._errors.append(error)

    def forget(self) -> None:
        """Begin anew: what follows is of another question."""
        self._errors.clear()

    @property
    def is_hopeless(self) -> bool:
        """Whether waiting longer for a first answer would not help."""
        codes = {error.code() for error in self._errors}
        return not codes.isdisjoint((*DECISIVE[:2], DECISIVE[-1]))

    def explain(self, error: KafkaError) -> KafkaError:
        """Return the reason for an error that only says that nobody answered."""
        return most_telling((error, *self._errors))


def most_telling(errors: Iterable[KafkaError]) -> KafkaError:
    """Return the error that says most; the first if none of them is about a connection."""
    every = list(errors)
    if every[0].code() not in SILENT:
        return every[0]
    for code in DECISIVE:
        for error in reversed(every):
            if error.code() == code and error is not every[0]:
                return error
    return every[0]


SILENT = (
    codes.TRANSPORT,
    codes.ALL_BROKERS_DOWN,
    codes.TIMED_OUT,
    codes.WAIT_COORD,
    KafkaError.REQUEST_TIMED_OUT,
)
"""What a question ends with when nobody answers it."""


def build_client_settings(
    connection: KafkaConnection, heard: Heard, *, client_id: str
) -> dict[str, Any]:
    """Return what producers, consumers and administrators have in common."""
    settings: dict[str, Any] = {
        "bootstrap.servers": ",".join(connection.bootstrap_servers),
        "client.id": client_id,
        "security.protocol": _security_protocol(connection),
        "error_cb": heard.note,
        # What it would write to stderr is in the errors that it reports.
        "log_level": 0,
        "socket.connection.setup.timeout.ms": CONNECT_TIMEOUT_MS,
        "socket.timeout.ms": REPLY_TIMEOUT_MS,
        "reconnect.backoff.max.ms": LONGEST_RECONNECT_MS,
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
    elif roots := _travelled_roots():
        settings["ssl.ca.location"] = roots
    if tls.client_certificate is not None and tls.client_key is not None:
        settings["ssl.certificate.pem"] = tls.client_certificate.decode("ascii", "replace")
        settings["ssl.key.pem"] = tls.client_key.decode("ascii", "replace")
    return settings


def _travelled_roots() -> str | None:
    """Return the roots that an injected worker brought along: its image may have none."""
    roots = f"{sys.prefix}/etc/ca-certificates.crt"
    return roots if os.path.exists(roots) else None
