"""The environment by which our worker learns what to do; a template needs none of its own.

Secrets stay references, which the kubelet resolves.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from workqueuejob.api import (
    TLS,
    KafkaQueue,
    RabbitMQQueue,
    StartFrom,
    Verification,
    WorkQueueJob,
)
from workqueuejob.api.redis import RedisQueue
from workqueuejob.brokers.retries import build_retry
from workqueuejob.contract import settings as names
from workqueuejob.contract.settings import (
    DEFAULT_CONSUMER_TIMEOUT_SECONDS,
    DEFAULT_GRACE_SECONDS,
    DEFAULT_TERMINATION_MESSAGE_PATH,
    DeliverySettings,
    KafkaSource,
    RabbitMQSource,
    RedisSource,
    Source,
    TLSChoice,
    WorkerSettings,
    write_settings,
)
from workqueuejob.planning.ledger.spans import find_span
from workqueuejob.planning.observing.endings import read_probes
from workqueuejob.planning.pods.environment import Variable, from_secret, plain, refer_to_login

_Queue = RabbitMQQueue | RedisQueue | KafkaQueue


def build_worker_environment(
    resource: WorkQueueJob, container: Mapping[str, Any], *, is_warm: bool = False
) -> list[Variable]:
    """Return the variables of the container that the worker runs in.

    is_warm: whether it is to wait for its first item.
    """
    spec = resource.spec
    source = spec.queue.rabbitmq or spec.queue.redis or spec.queue.kafka
    if source is None:
        return []
    settings = replace(_build_settings(resource, source, container), waits_for_first=is_warm)
    return [
        {"name": names.POD_NAME, "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        *_refer_to_credentials(source),
        *_refer_to_certificates(source.tls),
        plain(names.SETTINGS, write_settings(settings)),
    ]


def _build_settings(
    resource: WorkQueueJob, source: _Queue, container: Mapping[str, Any]
) -> WorkerSettings:
    spec, worker = resource.spec, resource.spec.worker
    pod = spec.template.parse()["spec"]
    return WorkerSettings(
        source=_build_source(resource, source),
        retry=build_retry(spec),
        tls=_build_tls(source.tls),
        delivery=(
            DeliverySettings(str(worker.delivery.type), worker.delivery.variable)
            if worker
            else DeliverySettings()
        ),
        run=resource.metadata.uid,
        quota=spec.items_settled_per_pod if spec.mode == "Coarse" else None,
        grace_seconds=pod.get("terminationGracePeriodSeconds", DEFAULT_GRACE_SECONDS),
        deadline_seconds=pod.get("activeDeadlineSeconds"),
        probes=read_probes(container),
        item_timeout_seconds=worker.item_timeout_seconds if worker else None,
        prefix_output=worker.prefix_output if worker else False,
        termination_message_path=container.get("terminationMessagePath")
        or DEFAULT_TERMINATION_MESSAGE_PATH,
    )


def _build_source(resource: WorkQueueJob, source: _Queue) -> Source:
    match source:
        case RabbitMQQueue():
            return _rabbitmq_source(source)
        case RedisQueue():
            return _redis_source(source)
        case KafkaQueue():
            return _kafka_source(resource, source)


def _rabbitmq_source(rabbitmq: RabbitMQQueue) -> RabbitMQSource:
    return RabbitMQSource(
        queue=rabbitmq.queue,
        host=rabbitmq.host,
        port=rabbitmq.port,
        virtual_host=rabbitmq.vhost,
        auth_mechanism=str(rabbitmq.auth_mechanism),
        consumer_timeout_seconds=(
            rabbitmq.consumer_timeout_seconds or DEFAULT_CONSUMER_TIMEOUT_SECONDS
        ),
    )


def _redis_source(redis: RedisQueue) -> RedisSource:
    return RedisSource(
        key=redis.key,
        consumer_group=redis.stream.consumer_group if redis.stream else None,
        host=redis.host,
        port=redis.port,
        database=redis.database,
        sentinel_master=redis.sentinel.master_name if redis.sentinel else None,
        sentinel_addresses=redis.sentinel.addresses if redis.sentinel else (),
        lease_seconds=redis.lease_seconds,
    )


def _kafka_source(resource: WorkQueueJob, kafka: KafkaQueue) -> KafkaSource:
    span = find_span(resource)
    ends = span.ends if span else None
    begins_there = ends is None or kafka.start_from is StartFrom.LATEST
    return KafkaSource(
        bootstrap_servers=kafka.bootstrap_servers,
        topic=kafka.topic,
        consumer_group=kafka.consumer_group,
        start_from=str(kafka.start_from),
        starts=span.starts.write() if span and begins_there else None,
        targets=ends.write() if ends else None,
        sasl_mechanism=None if kafka.sasl is None else str(kafka.sasl.mechanism),
    )


def _build_tls(tls: TLS | None) -> TLSChoice | None:
    if tls is None:
        return None
    return TLSChoice(server_name=tls.server_name, verify=tls.verification is Verification.FULL)


def _refer_to_credentials(source: _Queue) -> list[Variable]:
    if isinstance(source, KafkaQueue):
        return refer_to_login(source)
    if source.uri_secret_ref is not None:
        reference = source.uri_secret_ref
        return [from_secret(names.BROKER_URI, reference.name, reference.key)]
    credentials = source.credentials_secret_ref
    if credentials is None:
        return []
    keys = {
        names.BROKER_USERNAME: credentials.username_key,
        names.BROKER_PASSWORD: credentials.password_key,
    }
    return [from_secret(name, credentials.name, key) for name, key in keys.items() if key]


def _refer_to_certificates(tls: TLS | None) -> list[Variable]:
    variables = []
    if tls is not None and (ca := tls.ca_secret_ref) is not None:
        variables.append(from_secret(names.TLS_CA, ca.name, ca.key))
    if tls is not None and (pair := tls.client_certificate_secret_ref) is not None:
        variables.append(from_secret(names.TLS_CERTIFICATE, pair.name, pair.certificate_key))
        variables.append(from_secret(names.TLS_PRIVATE_KEY, pair.name, pair.private_key_key))
    return variables
