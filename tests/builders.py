"""Values for tests, each with defaults that make sense and a keyword for all that matters.

`a_work_queue_job(parallelism=3)` is valid, runs a foreign program and has not been seen by the
operator yet. Times count from `NOON`.
"""

import struct
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from workqueuejob.api import ObjectMetadata, WorkQueueJob, WorkQueueJobSpec, WorkQueueJobStatus
from workqueuejob.brokers.depth import Measurement, QueueDepth
from workqueuejob.brokers.positions import PartitionPosition, TopicPositions, measure_lag
from workqueuejob.contract.report import ItemCounts, write_report
from workqueuejob.errors import QueueError, WorkQueueJobError
from workqueuejob.names import (
    API_VERSION,
    JOB_LABEL,
    KIND,
    NAME_LABEL,
    UID_LABEL,
    WAVE_LABEL,
    WORKER_LABEL,
    job_name,
)
from workqueuejob.planning.evidence.proof import Streak
from workqueuejob.planning.observing.observed import JobState, Observed, ObservedJob, PodProblem

NOON = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
NAME = "fruits"
NAMESPACE = "shop"
UID = "5f0c7c4e-0000-4000-8000-000000000001"

Manifest = dict[str, Any]


def after(seconds: float) -> datetime:
    """Return the time so many seconds after `NOON`."""
    return NOON + timedelta(seconds=seconds)


def a_rabbitmq_queue(**fields: Any) -> Manifest:
    """Return `spec.queue.rabbitmq`; a field given as None is absent."""
    merged = {"host": "mq", "queue": "job1"} | fields
    return {key: value for key, value in merged.items() if value is not None}


def a_redis_queue(**fields: Any) -> Manifest:
    """Return `spec.queue.redis`, a list unless said otherwise; a field given as None is absent."""
    kind = {} if fields.get("stream") else {"list": {"key": "job2"}}
    merged = {"host": "redis", **kind} | fields
    return {key: value for key, value in merged.items() if value is not None}


def a_kafka_queue(**fields: Any) -> Manifest:
    """Return `spec.queue.kafka`; a field given as None is absent."""
    named = {"topic": "orders", "consumer_group": "billing"}
    merged = {"bootstrap_servers": ["kafka:9092"], **named} | fields
    return {key: value for key, value in merged.items() if value is not None}


def a_worker_spec(**fields: Any) -> Manifest:
    """Return the fields of a spec with our worker in its image, and a dead-letter queue."""
    retry = {"dead_letter": {"name": "job1-dead"}} | fields.pop("retry", {})
    return {"worker": {"source": "Image"}, "retry": retry} | fields


def a_template(**pod: Any) -> Manifest:
    """Return a pod template with one container; keywords are fields of the pod's spec."""
    return {"spec": {"containers": [{"name": "worker", "image": "job-wq-1"}]} | pod}


def a_work_queue_job(
    *,
    status: WorkQueueJobStatus | None = None,
    generation: int = 1,
    resource_version: str = "1",
    rabbitmq: Mapping[str, Any] | None = None,
    redis: Mapping[str, Any] | None = None,
    kafka: Mapping[str, Any] | None = None,
    template: Mapping[str, Any] | None = None,
    **spec: Any,
) -> WorkQueueJob:
    """Return a WorkQueueJob; keywords are fields of the spec, in snake case.

    redis, kafka: fields of `spec.queue.redis` or `.kafka`, which takes the place of RabbitMQ.
    """
    if kafka is not None:
        queue, spec = {"kafka": a_kafka_queue(**kafka)}, {"mode": "Fine"} | spec
    elif redis is not None:
        queue = {"redis": a_redis_queue(**redis)}
    else:
        queue = {"rabbitmq": a_rabbitmq_queue(**(rabbitmq or {}))}
    fields = {"queue": queue, "template": template or a_template(), **spec}
    return WorkQueueJob(
        metadata=ObjectMetadata(
            name=NAME,
            namespace=NAMESPACE,
            uid=UID,
            generation=generation,
            resource_version=resource_version,
        ),
        spec=WorkQueueJobSpec.model_validate(fields),
        status=status or WorkQueueJobStatus(),
    )


def a_job_uid(wave: int = 1) -> str:
    """Return the UID of a wave's Job."""
    return f"uid of {job_name(NAME, UID, wave)}"


def a_job(wave: int = 1, **fields: Any) -> ObservedJob:
    """Return a wave's running Job with five completions, two at a time, none begun."""
    job = ObservedJob(
        name=job_name(NAME, UID, wave),
        wave=wave,
        completions=5,
        parallelism=2,
        created=NOON,
        uid=a_job_uid(wave),
        resource_version=str(100 + wave),
    )
    return replace(job, **fields)


def a_finished_job(
    wave: int = 1, *, state: JobState = JobState.COMPLETE, **fields: Any
) -> ObservedJob:
    """Return a wave's Job that ended; all five completions succeeded unless said otherwise."""
    return a_job(wave, **({"state": state, "succeeded": 5} | fields))


def a_job_manifest(
    wave: int = 1,
    *,
    spec: Mapping[str, Any] | None = None,
    status: Mapping[str, Any] | None = None,
) -> Manifest:
    """Return a wave's Job as the API server shows it."""
    return {
        "metadata": {
            "name": job_name(NAME, UID, wave),
            "namespace": NAMESPACE,
            "uid": a_job_uid(wave),
            "labels": {NAME_LABEL: NAME, UID_LABEL: UID, WAVE_LABEL: str(wave)},
            "ownerReferences": [an_owner()],
            "creationTimestamp": NOON.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "resourceVersion": "7",
        },
        "spec": {"completions": 5, "parallelism": 2, **(spec or {})},
        "status": dict(status or {}),
    }


def an_owner(**fields: Any) -> Manifest:
    """Return the reference by which a Job names its WorkQueueJob as its controller."""
    reference = {"apiVersion": API_VERSION, "kind": KIND, "name": NAME, "uid": UID}
    return reference | {"controller": True, "blockOwnerDeletion": True} | fields


def a_pod_metadata(uid: str, job: ObservedJob, **fields: Any) -> Manifest:
    """Return the metadata of a pod with our worker, made by a Job's controller."""
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": job.name, "uid": job.uid}
    labels = {UID_LABEL: UID, WAVE_LABEL: str(job.wave), WORKER_LABEL: "true", JOB_LABEL: job.name}
    return {
        "name": f"{job.name}-{uid}",
        "namespace": NAMESPACE,
        "uid": uid,
        "labels": labels,
        "ownerReferences": [owner | {"controller": True}],
    } | fields


def a_reporting_pod(uid: str, job: ObservedJob, counts: ItemCounts, **metadata: Any) -> Manifest:
    """Return a pod whose worker has ended in order, and reports so many items."""
    state = {"terminated": {"exitCode": 0, "message": write_report(counts)}}
    return {
        "metadata": a_pod_metadata(uid, job, **metadata),
        "status": {
            "phase": "Succeeded",
            "containerStatuses": [{"name": "worker", "state": state}],
        },
    }


def a_nested_field(depth: int) -> bytes:
    """Return an AMQP field that is a table in a table, and so on."""
    field = b"F" + bytes(4)
    for _ in range(depth):
        content = b"\x01a" + field
        field = b"F" + struct.pack(">I", len(content)) + content
    return field


def a_depth(ready: int = 0, in_flight: int | None = 0, **fields: Any) -> QueueDepth:
    """Return a depth as of a broker that counts; in_flight=None is one that can't say.

    The dead-letter target is there, and empty.
    """
    consumers = fields.pop("consumers", in_flight or 0)
    fields.setdefault("dead_lettered", 0)
    return QueueDepth(ready=ready, in_flight=in_flight, consumers=consumers, **fields)


def a_log(*partitions: tuple[int, int, int | None], topic_id: str = "id") -> TopicPositions:
    """Return partitions of a start, an end and the group's offset, as of a Kafka topic."""
    return TopicPositions(topic_id, tuple(PartitionPosition(*one) for one in partitions))


def a_log_depth(log: TopicPositions, *, worker: bool = True, **fields: Any) -> QueueDepth:
    """Return what a probe says of a log; what a foreign program holds it can't say."""
    depth = QueueDepth(ready=0, in_flight=0 if worker else None, dead_lettered=0, log=log)
    return replace(depth.with_lag(measure_lag(log, now=NOON.timestamp())), **fields)


def a_measurement(result: QueueDepth | QueueError | None = None, *, at: float = 0.0) -> Measurement:
    """Return a measurement made so many seconds after `NOON`; an empty queue by default."""
    return Measurement(started=at, time=after(at), result=result or a_depth())


def an_observation(
    *jobs: ObservedJob,
    resource: WorkQueueJob | None = None,
    depth: QueueDepth | QueueError | None = None,
    measurement: Measurement | None = None,
    at: float = 0.0,
    obstacle: WorkQueueJobError | None = None,
    pod_problem: PodProblem | None = None,
) -> Observed:
    """Return what a reconcile saw; an empty queue by default, measured at `at`."""
    return Observed(
        resource=resource or a_work_queue_job(),
        jobs=jobs,
        measurement=measurement or a_measurement(depth, at=at),
        obstacle=obstacle,
        pod_problem=pod_problem,
    )


def an_unmeasured_observation(*jobs: ObservedJob, resource: WorkQueueJob | None = None) -> Observed:
    """Return what a reconcile saw that got no measurement in time."""
    return Observed(resource=resource or a_work_queue_job(), jobs=jobs, measurement=None)


def a_streak(seconds: float = 0.0, *, reads: int = 3, until: float = 0.0) -> Streak:
    """Return a streak that has lasted so many seconds at `until`."""
    began = until - seconds
    return Streak(since=after(began), first_read=began, last_read=until, reads=reads)
