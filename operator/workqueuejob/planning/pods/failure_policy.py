"""What a failed pod means for its wave's Job. Pure.

The Job is Indexed with a back-off limit per index, so that one completion's failures neither delay
nor end the others. Pods that were evicted or preempted don't count as failed.
"""

from typing import Any

from workqueuejob.api import WorkQueueJobSpec
from workqueuejob.contract.exit_codes import KILLED, STOPPED_EARLY
from workqueuejob.planning.pods.template_shape import find_worked

Manifest = dict[str, Any]


def build_failure_policy(spec: WorkQueueJobSpec, pod: Manifest) -> Manifest:
    """Return those fields of a Job's spec that say what a failed pod means."""
    if pod.get("restartPolicy", "Never") != "Never":
        # Kubernetes documents the finer policies for restartPolicy Never only.
        return {"backoffLimit": spec.backoff_limit}
    disrupted = {
        "action": "Ignore",
        "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}],
    }
    return {
        "backoffLimitPerIndex": spec.backoff_limit,
        "podReplacementPolicy": "Failed",
        "podFailurePolicy": {
            "rules": [disrupted, *_build_worker_rules(spec, pod), *_own_rules(spec)]
        },
    }


def _own_rules(spec: WorkQueueJobSpec) -> list[Manifest]:
    """Return the user's rules, which Kubernetes asks after the operator's."""
    policy = spec.pod_failure_policy
    return [rule.to_manifest() for rule in policy.failure_rules] if policy else []


def _build_worker_rules(spec: WorkQueueJobSpec, pod: Manifest) -> list[Manifest]:
    """Return the rules by which a worker's pod may exit without having failed.

    If a pod is killed with an item in hand, that is an attempt of the item, which is put aside
    after so many. A pod that is killed without an item is counted by the operator.
    """
    if spec.worker is None:
        return []
    codes = {
        "containerName": find_worked(spec.worker, pod)["name"],
        "operator": "In",
        "values": [STOPPED_EARLY, KILLED],
    }
    return [{"action": "Ignore", "onExitCodes": codes}]
