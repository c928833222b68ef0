"""A probe's grace, and who ended a pod that nobody deleted."""

from typing import Any

import pytest

from workqueuejob.planning.probes import find_ender, shorten_probe_grace

PROBED: dict[str, Any] = {"name": "worker", "livenessProbe": {"tcpSocket": {"port": 80}}}
DISRUPTED: dict[str, Any] = {"conditions": [{"type": "DisruptionTarget", "status": "True"}]}


@pytest.mark.parametrize(
    ("pod", "own", "grace"),
    [
        pytest.param({}, {}, 23, id="default"),
        pytest.param({"terminationGracePeriodSeconds": 120}, {}, 113, id="of the pod"),
        pytest.param({}, {"terminationGracePeriodSeconds": 5}, 5, id="own, shorter"),
        pytest.param({}, {"terminationGracePeriodSeconds": 600}, 23, id="own, longer"),
    ],
)
@pytest.mark.parametrize("kind", ["livenessProbe", "startupProbe"])
def test_probes_grace_ends_before_the_workers_patience(
    kind: str, pod: dict[str, Any], own: dict[str, Any], grace: int
) -> None:
    container: dict[str, Any] = {"name": "worker", kind: {"periodSeconds": 5, **own}}

    shorten_probe_grace(pod, container)

    assert container[kind] == {"periodSeconds": 5, "terminationGracePeriodSeconds": grace}


def test_readiness_probe_ends_nothing_and_takes_no_grace() -> None:
    container: dict[str, Any] = {"name": "worker", "readinessProbe": {"periodSeconds": 5}}

    shorten_probe_grace({}, container)

    assert container == {"name": "worker", "readinessProbe": {"periodSeconds": 5}}


def a_pod(*, deleted: bool = False, **status: Any) -> dict[str, Any]:
    metadata = {"deletionTimestamp": "2026-01-01T12:00:00Z"} if deleted else {}
    spec = {"containers": [PROBED, {"name": "other"}], "activeDeadlineSeconds": 60}
    return {"metadata": metadata, "spec": spec, "status": status}


PROBE = "the livenessProbe of container worker"
DEADLINE = "activeDeadlineSeconds (60 s) of spec.template.spec"


@pytest.mark.parametrize(
    ("pod", "stopped", "ender"),
    [
        pytest.param(a_pod(), True, PROBE, id="stopped though nobody deleted it"),
        pytest.param(a_pod(), False, None, id="ended by itself"),
        pytest.param(a_pod(deleted=True), True, None, id="deleted"),
        pytest.param(a_pod(**DISRUPTED), True, None, id="evicted"),
        pytest.param(a_pod(reason="DeadlineExceeded"), True, DEADLINE, id="its deadline"),
    ],
)
def test_pod_is_ended_by_its_probe_or_deadline_only_if_nobody_told_it_to_go(
    pod: dict[str, Any], ender: str | None, *, stopped: bool
) -> None:
    assert find_ender(pod, {"worker"}, stopped=stopped) == ender


def test_probe_of_another_container_did_not_end_it() -> None:
    assert find_ender(a_pod(), {"other"}, stopped=True) is None
