"""Translates redis-py's exceptions by one table, and says for each what a person can change.

The only place that knows redis-py's exception classes; a test fails when redis-py grows one that
the table lacks. Messages hold addresses and names of users, commands and keys, never a password.
"""

import re

from redis import exceptions as redis
from redis import sentinel

from workqueuejob.brokers.redis.settings import FIELD, RedisConnection
from workqueuejob.brokers.socket_errors import (
    Translation,
    build_socket_translations,
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
)

TLS_FIELD = f"{FIELD}.tls"
RIGHTS = "+@read +@write +@scripting +time +select"
"""The rights that a worker needs; the operator needs no +@write."""

_UNKNOWN_COMMAND = re.compile(r"unknown command ['`](\w+)")

LOST = (ConnectionResetError, ConnectionAbortedError, BrokenPipeError)


def translate(error: BaseException, connection: RedisConnection) -> QueueError:
    """Return the QueueError for an exception of redis-py or of the socket."""
    return translate_by(TRANSLATIONS, error, connection)


def is_wrong_type(error: BaseException) -> bool:
    """Return whether a command met a key of a type that it is not for."""
    return isinstance(error, redis.ResponseError) and "WRONGTYPE" in str(error)


def find_write_refusal(reply: str, connection: RedisConnection) -> QueueError | None:
    """Return the error for a reply that refuses every write; None for any other reply."""
    for words in WRITES_REFUSED:
        if reply.startswith(words):
            return REPLIES[words](redis.ResponseError(reply), connection)
    return None


def is_forbidden(reply: str) -> bool:
    """Return whether a reply refuses what the user may not do, in any version's words."""
    return any(words in reply for words in _FORBIDDEN)


def _unreachable(cause: str) -> Translation:
    def build(_error: BaseException, connection: RedisConnection) -> QueueError:
        field = "host" if connection.sentinel is None else "sentinel.addresses"
        return ConnectionFailed(
            f"{connection.address}: {cause}; correct {FIELD}.{field} or the NetworkPolicy, or start"
            " the server"
        )

    return build


def build_not_redis(connection: RedisConnection) -> ConnectionFailed:
    """Return the error for an answer that Redis does not give."""
    field = "host and port" if connection.sentinel is None else "sentinel.addresses"
    return ConnectionFailed(
        f"{connection.address}: the answer is not Redis'; correct {FIELD}.{field}, or see what"
        " listens there"
    )


def build_is_sentinel(connection: RedisConnection) -> ConnectionFailed:
    """Return the error for a host that is a Sentinel, which holds no items."""
    if connection.sentinel is not None:
        return ConnectionFailed(
            f"{connection.address}: what the Sentinels call the master is a Sentinel itself;"
            " correct their configuration"
        )
    return ConnectionFailed(
        f"{connection.address}: is a Sentinel, which only knows where the master is; name it in"
        f" {FIELD}.sentinel instead of host"
    )


def _connection_error(error: BaseException, connection: RedisConnection) -> QueueError:
    # redis-py repeats the socket's error in words only; the exception itself is the context.
    cause = error.__cause__ or error.__context__
    if isinstance(cause, OSError | UnicodeError) and not isinstance(cause, LOST):
        return translate(cause, connection)
    if any(words in str(error) for words in ("max number of clients", "Connection not ready")):
        # redis-py gets the refusal before it has asked anything, and drops its text.
        return ConnectionFailed(
            f"{connection.address}: the server hung up at once, as it does when it has too many"
            " clients; raise its maxclients, or see its log"
        )
    hint = "" if connection.tls else f"set {TLS_FIELD} if it is a TLS port, and "
    return ConnectionFailed(
        f"{connection.address}: connection lost; {hint}see the server's log if it does not come"
        " back"
    )


def _login_refused(_error: BaseException, connection: RedisConnection) -> QueueError:
    if connection.password is None:
        return AuthenticationFailed(
            f"{connection.address}: the server demands a password; set"
            f" {FIELD}.credentialsSecretRef, or put it into the URI of uriSecretRef"
        )
    return AuthenticationFailed(
        f"{connection.address}: login of user {_user(connection)} refused; correct the Secret of"
        f" {FIELD}.credentialsSecretRef or uriSecretRef, or the user at the server"
    )


def _forbidden(error: BaseException, connection: RedisConnection) -> QueueError:
    return AuthorizationFailed(
        f"user {_user(connection)} may not do all that is needed on {connection.address}"
        f" ({_words(error)}); grant it the keys ~KEY and ~{{KEY}}:*, where KEY is the queue's, that"
        f" of a dead-letter target elsewhere, and the commands {RIGHTS} (ACL SETUSER)"
    )


def _no_master(_error: BaseException, connection: RedisConnection) -> QueueError:
    named = connection.sentinel.master_name if connection.sentinel else ""
    return ConnectionFailed(
        f"{connection.address}: the Sentinels know no master {named!r}; correct"
        f" {FIELD}.sentinel.masterName"
    )


def _unavailable(state: str, remedy: str) -> Translation:
    def build(_error: BaseException, connection: RedisConnection) -> QueueError:
        return MeasurementUnreliable(f"{connection.address}: {state}; {remedy}")

    return build


def _cluster(_error: BaseException, connection: RedisConnection) -> QueueError:
    return QueueTypeUnsupported(
        f"{connection.address}: is a node of a Redis Cluster, and the queue is another node's; name"
        f" in {FIELD}.host the node of the queue's slot, or a proxy"
    )


def _other_slot(_error: BaseException, connection: RedisConnection) -> QueueError:
    return QueueTypeUnsupported(
        f"{connection.address}: the keys are of several slots of a Redis Cluster; name in"
        " spec.retry.deadLetter a key with the queue's key in braces, such as {job2}:dead"
    )


def _refused(error: BaseException, connection: RedisConnection) -> QueueError:
    reply = str(error)
    for words, translation in REPLIES.items():
        if words in reply:
            return translation(error, connection)
    return ConnectionFailed(
        f"{connection.address}: the server answered: {_words(error)}; see its log"
    )


def _wrong_type(_error: BaseException, connection: RedisConnection) -> QueueError:
    return QueueTypeUnsupported(
        f"{connection.address}: a key of the queue is of another type; correct"
        f" {FIELD}.list.key or {FIELD}.stream.key"
    )


def _no_database(_error: BaseException, connection: RedisConnection) -> QueueError:
    return QueueNotFound(
        f"database {connection.database} not found on {connection.address}; create the"
        f" WorkQueueJob anew with another {FIELD}.database, or raise the server's databases"
    )


def _no_scripts(error: BaseException, connection: RedisConnection) -> QueueError:
    missing = _UNKNOWN_COMMAND.search(str(error))
    command = missing[1].lower() if missing else ""
    if command == "sentinel":
        return ConnectionFailed(
            f"{connection.address}: is no Sentinel; correct {FIELD}.sentinel.addresses, or name the"
            f" server itself in {FIELD}.host"
        )
    if command == "select":
        return build_is_sentinel(connection)
    return QueueTypeUnsupported(
        f"{connection.address}: the server lacks a command ({_words(error)}); use Redis 6.2 or"
        " later, with EVALSHA and SCRIPT LOAD not renamed"
    )


def _user(connection: RedisConnection) -> str:
    return repr(connection.username or "default")


def _words(error: BaseException) -> str:
    # The server quotes an unknown command with its arguments, and one may be a password.
    text = str(error).partition(", with args")[0].partition(" script: ")[0]
    return text.removeprefix("ERR ").removeprefix("NOPERM ").rstrip(". ")


_TIMEOUT = _unreachable("timeout")
_LOADING = _unavailable("the server is loading its data", "wait until it is done")
_REPLICA = _unavailable(
    "is a replica, which takes no writes and lags behind", f"name the master in {FIELD}.host"
)
_NO_MASTER_LINK = _unavailable("is a replica without its master", "bring the master back")
_CLUSTER_DOWN = _unavailable("the Redis Cluster is down", "bring its nodes back")

_FORBIDDEN = (
    "NOPERM",
    # Inside of a script: Redis before 7.2 has two texts, later versions and Valkey have one.
    "can't run this command",
    "can't access at least one",
    "ACL failure in script",
)

REPLIES: dict[str, Translation] = {
    "WRONGTYPE": _wrong_type,
    **dict.fromkeys(_FORBIDDEN, _forbidden),
    "READONLY": _REPLICA,
    "-LOADING": _LOADING,
    "MISCONF": _unavailable("the server can't save its data and takes no writes", "see its log"),
    "NOREPLICAS": _unavailable("the server has too few replicas to take writes", "see its log"),
    "OOM ": _unavailable(
        "the server's memory is full, and it takes nothing new",
        "raise its maxmemory, or remove what fills it",
    ),
    "MASTERDOWN": _NO_MASTER_LINK,
    "BUSY ": _unavailable("the server is busy with a script", "see its log"),
    "DB index is out of range": _no_database,
    "SELECT is not allowed in cluster mode": _no_database,
    "unknown command": _no_scripts,
    "Unknown Redis command": _no_scripts,
}
"""Parts of replies that redis-py has no class for, or that come from within a script."""

OUT_OF_MEMORY = "OOM "
WRITES_REFUSED = (OUT_OF_MEMORY, "MISCONF", "READONLY", "NOREPLICAS")
"""The beginnings of replies that refuse every write while the server still answers reads."""

TRANSLATIONS: dict[type[BaseException], Translation] = {
    # The socket and TLS
    **build_socket_translations(_unreachable, tls_field=TLS_FIELD),
    **dict.fromkeys(LOST, _connection_error),
    # The connection
    redis.ConnectionError: _connection_error,
    redis.TimeoutError: _TIMEOUT,
    redis.MaxConnectionsError: _connection_error,
    redis.ChildDeadlockedError: _connection_error,
    redis.InvalidResponse: _connection_error,
    redis.RedisError: _connection_error,
    sentinel.MasterNotFoundError: _no_master,
    sentinel.SlaveNotFoundError: _no_master,
    # The login, and the rights
    redis.AuthenticationError: _login_refused,
    redis.AuthenticationWrongNumberOfArgsError: _login_refused,
    redis.ExternalAuthProviderError: _login_refused,
    redis.AuthorizationError: _forbidden,
    redis.NoPermissionError: _forbidden,
    # The server's state
    redis.BusyLoadingError: _LOADING,
    redis.ReadOnlyError: _REPLICA,
    redis.MasterDownError: _NO_MASTER_LINK,
    redis.OutOfMemoryError: REPLIES["OOM "],
    # A reply; `REPLIES` reads the server's words
    redis.ResponseError: _refused,
    redis.NoScriptError: _refused,
    redis.ExecAbortError: _refused,
    redis.ModuleError: _refused,
    redis.NoSuchFieldsetError: _refused,
    redis.DataError: _refused,
    redis.PubSubError: _refused,
    redis.WatchError: _refused,
    redis.LockError: _refused,
    redis.LockNotOwnedError: _refused,
    redis.InvalidPipelineStack: _refused,
    redis.IncorrectPolicyType: _refused,
    # A cluster
    redis.MovedError: _cluster,
    redis.AskError: _cluster,
    redis.TryAgainError: _CLUSTER_DOWN,
    redis.ClusterDownError: _CLUSTER_DOWN,
    redis.ClusterError: _CLUSTER_DOWN,
    redis.SlotNotCoveredError: _CLUSTER_DOWN,
    redis.RedisClusterException: _cluster,
    redis.ClusterCrossSlotError: _other_slot,
    redis.CrossSlotTransactionError: _other_slot,
}

KNOWN = tuple(TRANSLATIONS)
"""The exceptions to catch where redis-py is called; all others are bugs."""
