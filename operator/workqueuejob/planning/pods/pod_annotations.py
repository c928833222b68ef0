"""The annotations of a wave's pods beside the user's own, which always win. Pure.

Autoscalers of nodes move pods to save nodes. A pod that works on an item would lose its work for
that, so it asks to be left alone:

    Cluster Autoscaler  https://github.com/kubernetes/autoscaler, cluster-autoscaler/FAQ.md, "What
                        types of pods can prevent CA from removing a node?"
    Karpenter           https://karpenter.sh/docs/concepts/disruption/, "Pod-Level Controls"

Both pass over such an annotation once the pod has ended. A warm pod asks for nothing: it may wait
for days, and would keep a node for as long.
"""

from collections.abc import Mapping
from typing import Any

_DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"

_LEFT_ALONE = {
    "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
    "karpenter.sh/do-not-disrupt": "true",
}


def build_annotations(
    own: Mapping[str, Any] | None, *, is_warm: bool, injected: str | None = None
) -> dict[str, Any]:
    """Return the annotations of a wave's pods.

    own: those of the user's template. injected: the container that an injected worker works in.
    """
    added = {} if is_warm else dict(_LEFT_ALONE)
    if injected is not None:
        # So that kubectl logs does not ask for a container: the init container is one too.
        added[_DEFAULT_CONTAINER] = injected
    return {**added, **(own or {})}
