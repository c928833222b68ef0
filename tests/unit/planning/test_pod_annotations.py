"""The annotations of a wave's pods: autoscalers of nodes leave those alone that work."""

from typing import Any

import pytest

from tests.builders import a_template, a_work_queue_job, a_worker_spec
from workqueuejob.planning.actions import CreateWave
from workqueuejob.planning.pods.job_manifest import WorkerImage, build_job

CLUSTER_AUTOSCALER = "cluster-autoscaler.kubernetes.io/safe-to-evict"
KARPENTER = "karpenter.sh/do-not-disrupt"
LEFT_ALONE = {CLUSTER_AUTOSCALER: "false", KARPENTER: "true"}
DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"


def annotations_of(*, is_warm: bool = False, own: object = None, **spec: Any) -> dict[str, Any]:
    template = a_template()
    template["spec"]["containers"][0]["command"] = ["sha256sum"]
    if own is not None:
        template["metadata"] = own
    wave = CreateWave(1, 2, 2, is_warm=is_warm)
    resource = a_work_queue_job(template=template, **spec)
    built = build_job(resource, wave, WorkerImage("worker"))
    annotations: dict[str, Any] = built["spec"]["template"]["metadata"]["annotations"]
    return annotations


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"run_policy": "Continuous"},
        a_worker_spec(mode="Coarse"),
        a_worker_spec(mode="Fine", worker={"source": "Image"}),
    ],
    ids=["own program", "continuous", "coarse worker", "fine worker"],
)
def test_pods_that_work_are_not_moved_to_save_a_node(spec: dict[str, Any]) -> None:
    assert LEFT_ALONE.items() <= annotations_of(**spec).items()


def test_warm_pod_may_be_moved_because_it_would_keep_its_node_for_days() -> None:
    fine = a_worker_spec(mode="Fine", worker={"source": "Image"})

    assert annotations_of(is_warm=True, **fine) == {}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (CLUSTER_AUTOSCALER, "true"),
        (CLUSTER_AUTOSCALER, ""),
        (KARPENTER, "false"),
        (KARPENTER, "30m"),
    ],
)
@pytest.mark.parametrize("is_warm", [False, True])
def test_users_own_word_wins(name: str, value: str, is_warm: bool) -> None:
    own = {"annotations": {name: value}}
    fine = a_worker_spec(mode="Fine", worker={"source": "Image"})
    rest = {} if is_warm else LEFT_ALONE

    assert annotations_of(is_warm=is_warm, own=own, **fine) == {**rest, name: value}


@pytest.mark.parametrize("own", [{}, {"annotations": {}}, {"annotations": None}])
def test_template_without_annotations_gets_them(own: dict[str, Any]) -> None:
    assert annotations_of(own=own) == LEFT_ALONE


@pytest.mark.parametrize("is_warm", [False, True])
def test_kubectl_shows_the_log_of_the_container_that_works(is_warm: bool) -> None:
    injected = a_worker_spec(mode="Fine", worker={"source": "Injected"})

    assert annotations_of(is_warm=is_warm, **injected)[DEFAULT_CONTAINER] == "worker"
    own = {"annotations": {DEFAULT_CONTAINER: "proxy"}}
    assert annotations_of(is_warm=is_warm, own=own, **injected)[DEFAULT_CONTAINER] == "proxy"
