"""What pika raises, translated; and nothing that pika may raise is missing."""

import inspect
import socket
import ssl
from dataclasses import replace
from typing import Any

import pika.exceptions
import pytest
from pika.adapters.utils import connection_workflow as workflow

from workqueuejob import errors
from workqueuejob.brokers.connection import TLSSettings
from workqueuejob.brokers.rabbitmq.errors import TRANSLATIONS, translate, translate_channel
from workqueuejob.brokers.rabbitmq.settings import RabbitMQConnection

SETTINGS = RabbitMQConnection(host="mq.shop.svc", username="ann", password="hush")


def exceptions_of(module: Any) -> list[type[BaseException]]:
    return [
        one
        for _, one in inspect.getmembers(module, inspect.isclass)
        if issubclass(one, BaseException) and one.__module__ == module.__name__
    ]


@pytest.mark.parametrize("module", [pika.exceptions, workflow])
def test_every_exception_of_pika_is_in_the_table(module: Any) -> None:
    known = exceptions_of(module)
    assert known
    assert [one.__name__ for one in known if one not in TRANSLATIONS] == []


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (socket.gaierror(-2, "?"), errors.ConnectionFailed, "mq.shop.svc:5672: unknown host; "),
        (ConnectionRefusedError(), errors.ConnectionFailed, "mq.shop.svc:5672: refused; "),
        (TimeoutError(), errors.ConnectionFailed, "mq.shop.svc:5672: timeout; "),
        (OSError(113, "No route to host"), errors.ConnectionFailed, "No route to host; "),
        (
            pika.exceptions.ProbableAccessDeniedError("(530) NOT_ALLOWED - vhost / not found"),
            errors.VirtualHostNotFound,
            "create it, or create the WorkQueueJob anew with another spec.queue.rabbitmq.vhost",
        ),
        (
            pika.exceptions.ConnectionClosedByBroker(530, "NOT_ALLOWED - access to vhost refused"),
            errors.AuthorizationFailed,
            "user 'ann' may not use vhost '/'",
        ),
        (
            pika.exceptions.ConnectionClosedByBroker(530, "connection limit (5) is reached"),
            errors.ConnectionFailed,
            "takes no connection now",
        ),
        (
            pika.exceptions.ConnectionClosedByBroker(403, "ACCESS_REFUSED"),
            errors.AuthenticationFailed,
            "login of user 'ann' by PLAIN refused",
        ),
        (
            pika.exceptions.ConnectionClosedByBroker(320, "CONNECTION_FORCED"),
            errors.ConnectionFailed,
            "closed by the broker: 320 CONNECTION_FORCED",
        ),
        (pika.exceptions.AMQPHeartbeatTimeout("x"), errors.ConnectionFailed, "connection lost"),
        (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER]"), errors.TLSFailed, "TLS handshake"),
        (RuntimeError("hush"), errors.ConnectionFailed, "RuntimeError; see the operator's log"),
    ],
)
def test_error_says_what_failed_and_what_to_change(
    error: BaseException, kind: type[errors.QueueError], words: str
) -> None:
    translated = translate(error, SETTINGS)
    assert type(translated) is kind
    assert words in str(translated)
    assert "hush" not in str(translated)


def test_failure_of_the_last_address_is_told() -> None:
    wrapped = workflow.AMQPConnectionWorkflowFailed(
        [
            workflow.AMQPConnectorSocketConnectError(TimeoutError()),
            workflow.AMQPConnectorSocketConnectError(ConnectionRefusedError()),
        ]
    )
    assert ": refused;" in str(translate(wrapped, SETTINGS))


def test_tls_alert_after_the_handshake_is_a_tls_failure() -> None:
    settings = RabbitMQConnection(host="mq", tls=TLSSettings())
    lost = pika.exceptions.StreamLostError("SSLError(1, 'tlsv13 alert certificate required')")
    assert isinstance(translate(lost, settings), errors.TLSFailed)


@pytest.mark.parametrize(
    ("code", "text", "kind"),
    [
        (404, "NOT_FOUND - no queue 'job1' in vhost '/'", errors.QueueNotFound),
        (404, "NOT_FOUND - queue 'job1' home node is down", errors.MeasurementUnreliable),
        (403, "ACCESS_REFUSED", errors.AuthorizationFailed),
        (405, "RESOURCE_LOCKED", errors.QueueTypeUnsupported),
        (504, "CHANNEL_ERROR", errors.ConnectionFailed),
    ],
)
def test_refused_declare_is_told_by_its_code(
    code: int, text: str, kind: type[errors.QueueError]
) -> None:
    closed = pika.exceptions.ChannelClosedByBroker(code, text)
    assert type(translate_channel(closed, SETTINGS, "job1")) is kind


def test_other_failures_of_a_declare_are_the_connections() -> None:
    lost = pika.exceptions.StreamLostError("gone")
    assert isinstance(translate_channel(lost, SETTINGS, "job1"), errors.ConnectionFailed)


def test_connection_that_ends_on_showing_a_client_certificate_is_a_refused_certificate() -> None:
    tls = TLSSettings(client_certificate=b"certificate", client_key=b"key")
    shown = replace(SETTINGS, tls=tls)
    error = pika.exceptions.IncompatibleProtocolError("StreamLostError: ('Transport EOF',)")

    assert isinstance(translate(error, shown), errors.TLSFailed)
    assert isinstance(
        translate(error, replace(SETTINGS, tls=TLSSettings())), errors.ConnectionFailed
    )
