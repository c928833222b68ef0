"""From a worker's environment to its settings, and from these to a connection to its queue.

In a pod the operator wrote `WQJ_SETTINGS`, and the kubelet filled in what is secret. Anywhere else
`BROKER_URL` and `QUEUE` do, as in Kubernetes' documents. Errors name the variable, never its value.
A broker's modules are imported only when its broker is used: two clients would double the time
that a worker needs to start.
"""

import os
from collections.abc import Mapping

from workqueuejob.brokers.broker import Broker
from workqueuejob.brokers.connection import BrokerConnection
from workqueuejob.brokers.registry import WORKER_ROOMS, find_room
from workqueuejob.brokers.worker_settings import read_settings
from workqueuejob.contract import settings as names
from workqueuejob.contract.features import PREFIX
from workqueuejob.contract.settings import (
    BROKER_URL,
    CONSUMER_GROUP,
    QUEUE,
    WorkerSettings,
)
from workqueuejob.errors import SettingsInvalid, WorkQueueJobError

Environment = Mapping[str, str]

SPEC = "spec.queue"
"""What errors tell people to correct, who have no spec outside of a pod."""


def read_environment(environ: Environment) -> WorkerSettings:
    """Return the worker's settings; raise SettingsInvalid."""
    if names.SETTINGS not in environ:
        return _read_local(environ)
    try:
        return read_settings(environ)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SettingsInvalid(
            f"{names.SETTINGS} is not what this worker's operator writes ({type(error).__name__}:"
            f" {error}); remove it, and variables that begin with {PREFIX}, from the template's env"
        ) from None


def build_connection(settings: WorkerSettings, environ: Environment) -> BrokerConnection:
    """Return how to reach the broker, secrets included; raise SettingsInvalid."""
    room = find_room(settings.source.broker)
    return room.connecting.build_connection(settings.source, settings, environ)


def open_broker(settings: WorkerSettings, environ: Environment, *, prefetch: int = 1) -> Broker:
    """Return a connection to the queue, for as many items in hand as the settings say.

    Raises SettingsInvalid, BrokerUnavailable, or a QueueError that says what the broker refused.
    """
    try:
        return find_room(settings.source.broker).broker.open_broker(
            build_connection(settings, environ),
            settings.source,
            retry=settings.retry,
            run=settings.run,
            pod=pod_name(environ),
            prefetch=prefetch,
            concurrency=settings.concurrency,
        )
    except WorkQueueJobError as error:
        if names.SETTINGS in environ or SPEC not in str(error):
            raise
        raise type(error)(f"{error}; here {BROKER_URL} stands for {SPEC}") from error


def pod_name(environ: Environment) -> str:
    """Return the name under which this worker's dead letters are found."""
    return environ.get(names.POD_NAME) or os.uname().nodename


def _read_local(environ: Environment) -> WorkerSettings:
    url, queue = environ.get(BROKER_URL), environ.get(QUEUE)
    if not url or not queue:
        missing = QUEUE if url else BROKER_URL
        raise SettingsInvalid(
            f"neither {names.SETTINGS} nor {missing} is set: in a pod of a WorkQueueJob the"
            f" operator sets the first; anywhere else set {BROKER_URL} ({_list_schemes('or')}) and"
            f" {QUEUE}"
        )
    scheme = url.strip().partition(":")[0].lower()
    for room in WORKER_ROOMS:
        if scheme in room.settings.SCHEMES:
            source, retry = room.settings.build_local(queue, environ.get(CONSUMER_GROUP) or None)
            return WorkerSettings(source=source, retry=retry)
    raise SettingsInvalid(f"{BROKER_URL} begins with none of {_list_schemes('and')}; correct it")


def _list_schemes(conjunction: str) -> str:
    *others, last = [f"{scheme}://" for room in WORKER_ROOMS for scheme in room.settings.SCHEMES]
    return f"{', '.join(others)} {conjunction} {last}"
