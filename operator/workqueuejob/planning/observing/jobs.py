"""Reads a Job as the API server shows it. Asks no cluster, and knows nothing of queues."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from workqueuejob.names import (
    INSTALLATION_LABEL,
    KUEUE_LABEL,
    TEMPLATE_HASH_ANNOTATION,
    WARM_LABEL,
    WAVE_LABEL,
)
from workqueuejob.planning.observing.observed import JobState, ObservedJob
from workqueuejob.planning.observing.ownership import read_concurrency
from workqueuejob.planning.verdict import END_REASONS


def read_job(manifest: Mapping[str, Any]) -> ObservedJob:
    """Return what planning needs to know of a Job that the operator made.

    Raises KeyError or ValueError when the manifest is not of a Job with a wave label.
    """
    metadata, spec = manifest["metadata"], manifest["spec"]
    status: Mapping[str, Any] = manifest.get("status") or {}
    # Pods that have ended, and that the Job counts once their finalizer is removed.
    uncounted: Mapping[str, Any] = status.get("uncountedTerminatedPods") or {}
    conditions = _true_conditions(status)
    ending = conditions.get("SuccessCriteriaMet") or conditions.get("FailureTarget")
    failure = conditions.get("Failed") or conditions.get("FailureTarget")
    return ObservedJob(
        name=metadata["name"],
        wave=int(metadata["labels"][WAVE_LABEL]),
        completions=spec["completions"],
        parallelism=spec.get("parallelism", 1),
        created=_read_time(metadata["creationTimestamp"]),
        active=status.get("active", 0),
        ready=status.get("ready", 0),
        terminating=status.get("terminating", 0),
        succeeded=status.get("succeeded", 0) + len(uncounted.get("succeeded") or ()),
        failed=status.get("failed", 0) + len(uncounted.get("failed") or ()),
        failed_indexes=count_indexes(status.get("failedIndexes", "")),
        suspended=spec.get("suspend", False),
        state=_read_state(conditions),
        ending_since=_read_time(ending["lastTransitionTime"]) if ending else None,
        failure_reason=failure.get("reason") if failure else None,
        ended_by_us=ending is not None and ending.get("reason") in END_REASONS,
        template_hash=(metadata.get("annotations") or {}).get(TEMPLATE_HASH_ANNOTATION),
        installation=metadata["labels"].get(INSTALLATION_LABEL),
        is_queued=KUEUE_LABEL in metadata["labels"],
        is_warm=WARM_LABEL in metadata["labels"],
        concurrency=read_concurrency(manifest),
        is_as_created=metadata.get("generation") == 1,
        uid=metadata.get("uid", ""),
        resource_version=metadata.get("resourceVersion", ""),
    )


def count_indexes(text: str) -> int:
    """Return how many indexes a Job's compressed list names: "1,3-5" is 4."""
    return sum(_count_range(part) for part in text.split(",") if part)


def _count_range(part: str) -> int:
    first, _, last = part.partition("-")
    return int(last) - int(first) + 1 if last else 1


def _true_conditions(status: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {c["type"]: c for c in status.get("conditions") or () if c.get("status") == "True"}


def _read_state(conditions: Mapping[str, Any]) -> JobState:
    if "Complete" in conditions:
        return JobState.COMPLETE
    if "Failed" in conditions:
        return JobState.FAILED
    if "SuccessCriteriaMet" in conditions or "FailureTarget" in conditions:
        return JobState.ENDING
    return JobState.RUNNING


def _read_time(text: str) -> datetime:
    return datetime.fromisoformat(text)
