"""What redis-py raises, translated; and nothing that redis-py may raise is missing."""

import inspect
import socket
import ssl
from typing import Any

import pytest
import redis.exceptions
import redis.sentinel

from workqueuejob import errors
from workqueuejob.brokers.redis.errors import REPLIES, TRANSLATIONS, translate
from workqueuejob.brokers.redis.settings import RedisConnection, Sentinel

SETTINGS = RedisConnection(host="redis.shop.svc", username="ann", password="hush")


@pytest.mark.parametrize("module", [redis.exceptions, redis.sentinel])
def test_every_exception_of_redis_py_is_in_the_table(module: Any) -> None:
    known = [
        one
        for _, one in inspect.getmembers(module, inspect.isclass)
        if issubclass(one, BaseException) and one.__module__ == module.__name__
    ]
    assert known
    assert [one.__name__ for one in known if one not in TRANSLATIONS] == []


def caused_by(cause: BaseException) -> redis.exceptions.ConnectionError:
    error = redis.exceptions.ConnectionError(f"Error connecting: {cause}")
    error.__context__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (
            caused_by(socket.gaierror(-2, "?")),
            errors.ConnectionFailed,
            "redis.shop.svc:6379: unknown host; correct spec.queue.redis.host",
        ),
        (caused_by(ConnectionRefusedError()), errors.ConnectionFailed, ":6379: refused; "),
        (caused_by(OSError(113, "No route to host")), errors.ConnectionFailed, "No route to host;"),
        (
            caused_by(ConnectionResetError()),
            errors.ConnectionFailed,
            "connection lost; set spec.queue.redis.tls if it is a TLS port",
        ),
        (caused_by(ssl.SSLError(1, "[SSL: X]")), errors.TLSFailed, "spec.queue.redis.tls."),
        (redis.TimeoutError("Timeout reading"), errors.ConnectionFailed, ":6379: timeout; "),
        (
            redis.ConnectionError("max number of clients reached"),
            errors.ConnectionFailed,
            "raise its maxclients",
        ),
        (
            redis.AuthenticationError("invalid username-password pair or user is disabled."),
            errors.AuthenticationFailed,
            "login of user 'ann' refused; correct the Secret",
        ),
        (
            redis.exceptions.NoPermissionError("this user has no permissions to run 'evalsha'"),
            errors.AuthorizationFailed,
            "user 'ann' may not do all that is needed",
        ),
        (
            redis.ResponseError("ACL failure in script: User ann has no permissions"),
            errors.AuthorizationFailed,
            "+@read +@write +@scripting +time",
        ),
        (redis.BusyLoadingError(), errors.MeasurementUnreliable, "is loading its data"),
        (redis.ReadOnlyError(), errors.MeasurementUnreliable, "is a replica"),
        (redis.OutOfMemoryError(), errors.MeasurementUnreliable, "raise its maxmemory"),
        (
            redis.exceptions.MasterDownError("MASTERDOWN Link with MASTER is down"),
            errors.MeasurementUnreliable,
            "bring the master back",
        ),
        (
            redis.exceptions.MovedError("3999 127.0.0.1:6381"),
            errors.QueueTypeUnsupported,
            "is a node of a Redis Cluster",
        ),
        (
            redis.exceptions.ClusterCrossSlotError(),
            errors.QueueTypeUnsupported,
            "spec.retry.deadLetter",
        ),
        (
            redis.ResponseError("WRONGTYPE Operation against a key"),
            errors.QueueTypeUnsupported,
            "spec.queue.redis.list.key",
        ),
        (
            redis.ResponseError("DB index is out of range"),
            errors.QueueNotFound,
            "another spec.queue.redis.database",
        ),
        (
            redis.ResponseError("unknown command 'EVALSHA', with args beginning with: 'hush'"),
            errors.QueueTypeUnsupported,
            "lacks a command (unknown command 'EVALSHA')",
        ),
        (redis.ResponseError("something new"), errors.ConnectionFailed, "answered: something new"),
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


@pytest.mark.parametrize("words", REPLIES)
def test_reply_from_within_a_script_is_told_like_any_other(words: str) -> None:
    within = redis.ResponseError(f"Error running script: @user_script:1: -{words} and so on")
    assert type(translate(within, SETTINGS)) is type(REPLIES[words](within, SETTINGS))


def test_missing_password_is_asked_for() -> None:
    refused = translate(redis.AuthenticationError("Authentication required."), RedisConnection("r"))
    assert "demands a password; set spec.queue.redis.credentialsSecretRef" in str(refused)


def test_unknown_master_is_named() -> None:
    sentinel = RedisConnection(sentinel=Sentinel("main", ("s1:26379",)))
    error = translate(redis.sentinel.MasterNotFoundError("main"), sentinel)
    assert "know no master 'main'; correct spec.queue.redis.sentinel.masterName" in str(error)


def test_unreachable_sentinels_are_named_by_their_field() -> None:
    sentinel = RedisConnection(sentinel=Sentinel("main", ("s1:26379",)))
    error = translate(caused_by(ConnectionRefusedError()), sentinel)
    assert "refused; correct spec.queue.redis.sentinel.addresses" in str(error)
