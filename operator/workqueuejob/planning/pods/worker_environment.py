"""The environment by which our worker learns what to do; a template needs none of its own.

Secrets stay references, which the kubelet resolves.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from workqueuejob.api import TLS, CommandDelivery, Verification, WorkQueueJob
from workqueuejob.brokers.registry import find_room
from workqueuejob.brokers.retries import build_retry
from workqueuejob.brokers.sides import Variable
from workqueuejob.brokers.variables import from_reference, from_secret, plain
from workqueuejob.contract import settings as names
from workqueuejob.contract.grace import AT_END_OF_GRACE
from workqueuejob.contract.settings import (
    DEFAULT_GRACE_SECONDS,
    DEFAULT_TERMINATION_MESSAGE_PATH,
    DeliverySettings,
    Source,
    TLSChoice,
    WorkerSettings,
    write_settings,
)
from workqueuejob.planning.ledger.spans import find_span
from workqueuejob.planning.observing.endings import read_probes

LEAST_GRACE_SECONDS = 2
"""What the kubelet leaves a container after its preStop hook, whatever that took."""


def build_worker_environment(
    resource: WorkQueueJob, container: Mapping[str, Any], *, is_warm: bool = False
) -> list[Variable]:
    """Return the variables of the container that the worker runs in.

    is_warm: whether it is to wait for its first item.
    """
    queue = resource.spec.queue
    if queue.broker is None or queue.source is None:
        return []
    environment = find_room(queue.broker).environment
    source = environment.build_source(queue.source, find_span(resource))
    settings = replace(_build_settings(resource, source, container), waits_for_first=is_warm)
    return [
        {"name": names.POD_NAME, "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        *environment.refer_to_login(queue.source),
        *_refer_to_certificates(queue.source.encryption),
        *(plain(name, value) for name, value in write_settings(settings).items()),
    ]


def _build_settings(
    resource: WorkQueueJob, source: Source, container: Mapping[str, Any]
) -> WorkerSettings:
    spec, worker = resource.spec, resource.spec.worker
    pod = spec.template.parse()["spec"]
    return WorkerSettings(
        source=source,
        retry=build_retry(spec),
        tls=_build_tls(spec.queue.source.encryption if spec.queue.source else None),
        delivery=_build_delivery(worker.delivery) if worker else DeliverySettings(),
        run=resource.metadata.uid,
        quota=spec.items_settled_per_pod if spec.mode == "Coarse" else None,
        grace_seconds=_find_grace_seconds(pod, container),
        deadline_seconds=pod.get("activeDeadlineSeconds"),
        probes=read_probes(container),
        item_timeout_seconds=worker.item_timeout_seconds if worker else None,
        prefix_output=worker.prefix_output if worker else False,
        concurrency=spec.concurrency,
        stop_signal=str(worker.stop_signal) if worker and worker.stop_signal else AT_END_OF_GRACE,
        termination_message_path=container.get("terminationMessagePath")
        or DEFAULT_TERMINATION_MESSAGE_PATH,
    )


def _find_grace_seconds(pod: Mapping[str, Any], container: Mapping[str, Any]) -> int:
    """Return how long after SIGTERM the container is killed: 20 of 30 s after a sleep of 10 s.

    The kubelet runs a preStop hook before, and leaves the container two seconds at least. How long
    hooks take that don't sleep is unknown.
    """
    grace: int = pod.get("terminationGracePeriodSeconds", DEFAULT_GRACE_SECONDS)
    hook = (container.get("lifecycle") or {}).get("preStop") or {}
    slept: int = (hook.get("sleep") or {}).get("seconds") or 0
    return max(grace - slept, min(grace, LEAST_GRACE_SECONDS))


def _build_delivery(delivery: CommandDelivery) -> DeliverySettings:
    return DeliverySettings(
        str(delivery.type), delivery.variable, envelope_file=bool(delivery.envelope_file)
    )


def _build_tls(tls: TLS | None) -> TLSChoice | None:
    if tls is None:
        return None
    return TLSChoice(server_name=tls.server_name, verify=tls.verification is Verification.FULL)


def _refer_to_certificates(tls: TLS | None) -> list[Variable]:
    variables = []
    if tls is not None and (ca := tls.ca_secret_ref) is not None:
        variables.append(from_reference(names.TLS_CA, ca))
    if tls is not None and (pair := tls.client_certificate_secret_ref) is not None:
        variables.append(from_secret(names.TLS_CERTIFICATE, pair.name, pair.certificate_key))
        variables.append(from_secret(names.TLS_PRIVATE_KEY, pair.name, pair.private_key_key))
    return variables
