"""Translates pika's exceptions by one table, and says for each what a person can change.

A test fails when pika grows an exception class that the table lacks. Messages hold addresses and
names of users, queues and virtual hosts, never a password.
"""

from pika import exceptions as pika
from pika.adapters.utils import connection_workflow as workflow

from workqueuejob.brokers import tls
from workqueuejob.brokers.rabbitmq.settings import FIELD, RabbitMQConnection
from workqueuejob.brokers.socket_errors import (
    Translation,
    build_socket_translations,
    find_unbounded,
    translate_by,
)
from workqueuejob.errors import (
    AuthenticationFailed,
    AuthorizationFailed,
    ConnectionFailed,
    MeasurementUnreliable,
    QueueError,
    QueueNotFound,
    QueueTypeUnsupported,
    TLSFailed,
    VirtualHostNotFound,
)

TLS_FIELD = f"{FIELD}.tls"


def translate(error: BaseException, connection: RabbitMQConnection) -> QueueError:
    """Return the QueueError for an exception of pika or of the socket."""
    return translate_by(TRANSLATIONS, error, connection)


def translate_channel(
    error: BaseException, connection: RabbitMQConnection, queue: str
) -> QueueError:
    """Return the QueueError for a channel that the broker closed on a passive declare."""
    if not isinstance(error, pika.ChannelClosed):
        return translate(error, connection)
    code, text = error.reply_code, str(error.reply_text)
    where = f"on {connection.address}, vhost {connection.virtual_host!r}"
    if code == 404 and "no queue" in text:
        return QueueNotFound(
            f"queue {queue!r} not found {where}; create it, or create the WorkQueueJob anew with"
            f" another {FIELD}.queue"
        )
    if code == 404:
        return MeasurementUnreliable(
            f"queue {queue!r} {where} is unavailable ({text}); bring its broker node back"
        )
    if code == 403:
        # Tried: 3.10 and 4.0 need no permission for a passive declare; 4.3 needs any on the queue.
        return AuthorizationFailed(
            f"user {connection.username!r} may not ask for queue {queue!r} {where}; grant the user"
            " 'read' on it, which RabbitMQ 4.3 needs to count items (rabbitmqctl set_permissions)"
        )
    if code == 405:
        return QueueTypeUnsupported(
            f"queue {queue!r} {where} is exclusive to another connection; use a shared queue"
        )
    return ConnectionFailed(f"{connection.address}: channel closed: {code} {text}; try again later")


def _unreachable(cause: str) -> Translation:
    def build(_error: BaseException, connection: RabbitMQConnection) -> QueueError:
        return ConnectionFailed(
            f"{connection.address}: {cause}; correct {FIELD}.host or the NetworkPolicy, or start"
            " the broker"
        )

    return build


def _cause(error: workflow.AMQPConnectorPhaseErrorBase, on: RabbitMQConnection) -> QueueError:
    return translate(error.exception, on)


def _handshake(
    error: workflow.AMQPConnectorAMQPHandshakeError, connection: RabbitMQConnection
) -> QueueError:
    if not isinstance(error.exception, workflow.AMQPConnectorStackTimeout):
        return _cause(error, connection)
    # The management API waits for the rest of the greeting, which is no HTTP request to it.
    return ConnectionFailed(
        f"{connection.address}: timeout: the port takes connections, and gives no AMQP answer;"
        f" correct {FIELD}.port (5672 is AMQP's, and 15672 the management API's), or see why the"
        " broker hangs"
    )


def _last_attempt(
    error: workflow.AMQPConnectionWorkflowFailed, connection: RabbitMQConnection
) -> QueueError:
    return translate(error.exceptions[-1], connection)


def _lost(error: BaseException, connection: RabbitMQConnection) -> QueueError:
    unbounded = find_unbounded(error)
    if unbounded is not None:
        return translate(unbounded, connection)
    if "SSLError" in str(error.args):
        # A TLS 1.3 server refuses a client's certificate only after the handshake.
        detail = "the broker refused the client certificate"
        return TLSFailed(tls.refused(detail, address=connection.address, field=TLS_FIELD))
    return ConnectionFailed(
        f"{connection.address}: connection lost ({type(error).__name__}); "
        "see the broker's log if it does not come back"
    )


def _closed(error: pika.ConnectionClosed, connection: RabbitMQConnection) -> QueueError:
    if error.reply_code == 403:
        return _login_refused(error, connection)
    if error.reply_code == 530:
        return _virtual_host_refused(error, connection)
    return ConnectionFailed(
        f"{connection.address}: closed by the broker: {error.reply_code} {error.reply_text}; "
        "see the broker's log if it does not come back"
    )


def _no_amqp(error: BaseException, connection: RabbitMQConnection) -> QueueError:
    if connection.tls is not None and connection.tls.client_certificate is not None:
        # With TLS 1.3 the connection may end before the refusal of the certificate arrives.
        detail = "the connection was closed on showing the client certificate"
        return TLSFailed(tls.refused(detail, address=connection.address, field=TLS_FIELD))
    if connection.tls is not None:
        return _lost(error, connection)
    return ConnectionFailed(
        f"{connection.address}: the other side speaks no plain AMQP; correct {FIELD}.port, "
        f"or set {TLS_FIELD} if it is a TLS port"
    )


def _login_refused(_error: BaseException, connection: RabbitMQConnection) -> QueueError:
    login = f"user {connection.username!r}" if connection.username else "the client certificate"
    return AuthenticationFailed(
        f"{connection.address}: login of {login} by {connection.auth_mechanism} refused; correct "
        f"the Secret of {FIELD}.credentialsSecretRef or uriSecretRef, or the user at the broker"
    )


def _no_mechanism(_error: BaseException, connection: RabbitMQConnection) -> QueueError:
    return AuthenticationFailed(
        f"{connection.address}: the broker does not offer {connection.auth_mechanism}; correct "
        f"{FIELD}.authMechanism, or enable it there (EXTERNAL: rabbitmq_auth_mechanism_ssl)"
    )


def _virtual_host_refused(error: BaseException, connection: RabbitMQConnection) -> QueueError:
    text, vhost = str(error.args), connection.virtual_host
    if "not found" in text:
        return VirtualHostNotFound(
            f"vhost {vhost!r} not found on {connection.address}; create it, or create the"
            f" WorkQueueJob anew with another {FIELD}.vhost"
        )
    if "limit" in text or "is down" in text:
        return ConnectionFailed(
            f"{connection.address}: vhost {vhost!r} takes no connection now (down, or its "
            "connection limit is reached); see the broker's log"
        )
    return AuthorizationFailed(
        f"user {connection.username!r} may not use vhost {vhost!r} on {connection.address}; "
        "grant it (rabbitmqctl set_permissions)"
    )


_TIMEOUT = _unreachable("timeout")

TRANSLATIONS: dict[type[BaseException], Translation] = {
    # The socket and TLS
    **build_socket_translations(_unreachable, tls_field=TLS_FIELD),
    # pika's way to an open connection
    workflow.AMQPConnectionWorkflowFailed: _last_attempt,
    workflow.AMQPConnectorPhaseErrorBase: _cause,
    workflow.AMQPConnectorSocketConnectError: _cause,
    workflow.AMQPConnectorTransportSetupError: _cause,
    workflow.AMQPConnectorAMQPHandshakeError: _handshake,
    workflow.AMQPConnectorStackTimeout: _TIMEOUT,
    workflow.AMQPConnectorException: _lost,
    workflow.AMQPConnectorAborted: _TIMEOUT,
    workflow.AMQPConnectorWrongState: _lost,
    workflow.AMQPConnectionWorkflowAborted: _TIMEOUT,
    workflow.AMQPConnectionWorkflowWrongState: _lost,
    # The connection
    pika.AuthenticationError: _no_mechanism,
    pika.ProbableAuthenticationError: _login_refused,
    pika.ProbableAccessDeniedError: _virtual_host_refused,
    pika.IncompatibleProtocolError: _no_amqp,
    pika.ProtocolVersionMismatch: _no_amqp,
    pika.ConnectionClosed: _closed,
    pika.ConnectionClosedByBroker: _closed,
    pika.ConnectionClosedByClient: _closed,
    pika.AMQPError: _lost,
    pika.AMQPConnectionError: _lost,
    pika.ConnectionOpenAborted: _lost,
    pika.StreamLostError: _lost,
    pika.NoFreeChannels: _lost,
    pika.ConnectionWrongStateError: _lost,
    pika.ConnectionBlockedTimeout: _lost,
    pika.AMQPHeartbeatTimeout: _lost,
    pika.InvalidChannelNumber: _lost,
    pika.ProtocolSyntaxError: _lost,
    pika.UnexpectedFrameError: _lost,
    pika.BodyTooLongError: _lost,
    pika.InvalidFrameError: _lost,
    pika.InvalidFieldTypeException: _lost,
    pika.UnsupportedAMQPFieldException: _lost,
    pika.MethodNotImplemented: _lost,
    pika.ShortStringTooLong: _lost,
    pika.ReentrancyError: _lost,
    # A channel; `translate_channel` reads the broker's words first
    pika.AMQPChannelError: _lost,
    pika.ChannelWrongStateError: _lost,
    pika.ChannelClosed: _lost,
    pika.ChannelClosedByBroker: _lost,
    pika.ChannelClosedByClient: _lost,
    pika.DuplicateConsumerTag: _lost,
    pika.ConsumerCancelled: _lost,
    pika.UnroutableError: _lost,
    pika.NackError: _lost,
    pika.ChannelError: _lost,
    pika.DuplicateGetOkCallback: _lost,
}

KNOWN = tuple(TRANSLATIONS)
"""The exceptions to catch where pika is called; all others are bugs, logged with a traceback."""
