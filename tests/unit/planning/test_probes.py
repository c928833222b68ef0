"""The probes that a worker is given, and who ended a pod that nobody deleted."""

from typing import Any

import pytest

from workqueuejob.contract.probes import ProbeSettings
from workqueuejob.planning.observing.endings import find_ender, read_probes

PROBED: dict[str, Any] = {"name": "worker", "livenessProbe": {"tcpSocket": {"port": 80}}}
DISRUPTED: dict[str, Any] = {"conditions": [{"type": "DisruptionTarget", "status": "True"}]}


EXEC = {"exec": {"command": ["cat", "ok"]}, "timeoutSeconds": 5}
HTTP = {
    "httpGet": {
        "port": "web", "path": "/alive", "scheme": "HTTPS", "host": "localhost",
        "httpHeaders": [{"name": "Host", "value": "example.com"}],
    }
}  # fmt: skip


@pytest.mark.parametrize("kind", ["livenessProbe", "startupProbe"])
@pytest.mark.parametrize(
    ("probe", "read"),
    [
        pytest.param(EXEC, {"timeout_seconds": 5, "command": ("cat", "ok")}, id="exec"),
        pytest.param(
            HTTP,
            {
                "host": "localhost", "port": 8080, "path": "/alive", "is_encrypted": True,
                "headers": (("Host", "example.com"),),
            },
            id="https, by the port's name",
        ),
        pytest.param({"httpGet": {"port": 80}}, {"port": 80, "path": "/"}, id="http"),
        pytest.param({"tcpSocket": {"port": 80}}, {"port": 80}, id="tcp"),
    ],
)  # fmt: skip
def test_worker_learns_what_may_end_its_container(
    kind: str, probe: dict[str, Any], read: dict[str, Any]
) -> None:
    container = {"ports": [{"name": "web", "containerPort": 8080}], kind: probe}
    assert read_probes(container) == (ProbeSettings(kind, **read),)


@pytest.mark.parametrize(
    "probe",
    [
        {"grpc": {"port": 80}},
        {"httpGet": {"port": "missing"}},
        {"httpGet": [1]},
        {"exec": {"command": "a word"}},
        {"exec": {"command": ["a"]}, "timeoutSeconds": "1"},
        "a word",
        None,
    ],
)
def test_probe_that_a_worker_can_not_ask_is_left_out(probe: object) -> None:
    assert read_probes({"livenessProbe": probe}) is None


def test_readiness_probe_ends_nothing() -> None:
    assert read_probes({"readinessProbe": EXEC}) is None


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
