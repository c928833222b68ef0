"""Keeps the status of an ended run as the record of what was done.

Items that come later belong to another run, and so does a spec that is changed later. An ended run
follows only the fields that say how long it and its Jobs are kept.
"""

import hashlib
import json

from workqueuejob.api import Condition, WorkQueueJob, WorkQueueJobSpec, WorkQueueJobStatus
from workqueuejob.planning.verdict import ConditionType, find_condition, find_end

_FOLLOWED = {
    "ttl_seconds_after_finished",
    "successful_jobs_history_limit",
    "failed_jobs_history_limit",
}

_UPDATED = frozenset({ConditionType.PROGRESSING, ConditionType.COMPLETE, ConditionType.FAILED})


def hash_spec(spec: WorkQueueJobSpec) -> str:
    """Return a hash of all fields that an ended run does not follow.

    Defaults are left out, so that a later operator with more fields gets the same hash.
    """
    parts = spec.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude=_FOLLOWED)
    canonical = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def build_ended_status(resource: WorkQueueJob) -> WorkQueueJobStatus:
    """Return the status of an ended run, now that its spec may have been changed.

    Nothing is changed but the generation, and what Progressing says about a change of spec.
    """
    status, generation = resource.status, resource.metadata.generation
    end = find_end(status.conditions)
    if end is None or status.observed_generation == generation:
        return status
    message = _say_in_vain(end) if _is_changed(resource) else end.message
    conditions = tuple(
        condition.model_copy(
            update={
                "observed_generation": generation,
                "message": (
                    message if condition.type == ConditionType.PROGRESSING else condition.message
                ),
            }
        )
        if condition.type in _UPDATED
        else condition
        for condition in status.conditions
    )
    return status.model_copy(update={"observed_generation": generation, "conditions": conditions})


def find_vain_edit(old: WorkQueueJobStatus, new: WorkQueueJobStatus) -> str | None:
    """Return what the new status says of a change of spec, if the old one did not; else None."""
    end = find_end(old.conditions)
    progressing = find_condition(new.conditions, ConditionType.PROGRESSING)
    is_news = old.observed_generation != new.observed_generation
    if end is None or progressing is None or not is_news or progressing.message == end.message:
        return None
    return progressing.message


def _is_changed(resource: WorkQueueJob) -> bool:
    """Return whether the spec differs from the one that the run ended with.

    If that spec is not known, because an operator before 0.2.0 saw the end, it is taken to differ.
    """
    recorded = resource.status.spec_hash_at_end
    return recorded is None or recorded != hash_spec(resource.spec)


def _say_in_vain(end: Condition) -> str:
    time = end.last_transition_time.strftime("%Y-%m-%dT%H:%M:%SZ")
    return (
        f"the run ended at {time} ({end.reason}), and spec was changed since then, which starts"
        " nothing: of an ended run only ttlSecondsAfterFinished and the history limits have an"
        " effect. To run again, delete the WorkQueueJob and create it again"
    )
