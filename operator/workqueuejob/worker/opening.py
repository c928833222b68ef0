"""Opens the settings' broker, by the one module that knows it.

Each broker's module is imported only when its broker is used: two clients would double the time
that a worker needs to start.
"""

from typing import TypedDict

from workqueuejob.brokers.broker import Broker
from workqueuejob.brokers.connection import KafkaConnection, RabbitMQConnection, RedisConnection
from workqueuejob.contract.retry import RetrySettings
from workqueuejob.contract.settings import KafkaSource, RabbitMQSource, RedisSource, WorkerSettings
from workqueuejob.worker.connecting import Environment, build_connection, pod_name


class _Told(TypedDict):
    """What every broker's module is told besides its connection and source."""

    retry: RetrySettings
    run: str
    pod: str
    prefetch: int


def open_broker(settings: WorkerSettings, environ: Environment, *, prefetch: int = 1) -> Broker:
    """Return a connection to the queue.

    Raises SettingsInvalid, BrokerUnavailable, or a QueueError that says what the broker refused.
    """
    connection = build_connection(settings, environ)
    told = _Told(retry=settings.retry, run=settings.run, pod=pod_name(environ), prefetch=prefetch)
    match settings.source, connection:
        case RabbitMQSource() as source, RabbitMQConnection():
            from workqueuejob.brokers.rabbitmq import broker as rabbitmq

            return rabbitmq.open_broker(connection, source, **told)
        case RedisSource() as source, RedisConnection():
            from workqueuejob.brokers.redis import broker as redis

            return redis.open_broker(connection, source, **told)
        case KafkaSource() as source, KafkaConnection():
            from workqueuejob.brokers.kafka import broker as kafka

            return kafka.open_broker(connection, source, **told)
    raise AssertionError(f"no broker for {settings.source!r}")
