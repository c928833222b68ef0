"""What a pod's worker has done, as its termination message tells."""

import json
from dataclasses import asdict
from typing import Any

import pytest

from tests.builders import a_finished_job, a_job, a_job_uid, a_pod_metadata
from workqueuejob.api.status import CountedItems
from workqueuejob.contract.report import ItemCounts, write_report
from workqueuejob.planning.observing.pod_reports import (
    PodReport,
    add_items,
    attach_reports,
    read_pod_report,
)

COUNTS = ItemCounts(succeeded=3, dead_lettered=1, attempts_failed=4, attempts_lost=1)
SAID = write_report(COUNTS)
HOLDING = write_report(COUNTS, held=1)
DISRUPTED: dict[str, Any] = {"conditions": [{"type": "DisruptionTarget", "status": "True"}]}


NODE_GONE: dict[str, Any] = {
    "conditions": [{"type": "DisruptionTarget", "status": "True", "reason": "DeletionByPodGC"}]
}
NEVER_RAN: dict[str, Any] = {"terminated": {"exitCode": 137, "reason": "ContainerStatusUnknown"}}
NO_SUCH_COMMAND: dict[str, Any] = {
    "terminated": {
        "exitCode": 128,
        "reason": "StartError",
        "message": "exec: no such file",
        "startedAt": "1970-01-01T00:00:00Z",
        "containerID": "containerd://1",
    }
}


def terminated(code: int, message: str | None = SAID) -> dict[str, Any]:
    return {"terminated": {"exitCode": code} | ({"message": message} if message else {})}


def a_pod(
    state: dict[str, Any] | None,
    *,
    phase: str = "Failed",
    deleted: bool = False,
    container: dict[str, Any] | None = None,
    **status: Any,
) -> dict[str, Any]:
    metadata = a_pod_metadata("u1", a_job())
    if deleted:
        metadata["deletionTimestamp"] = "2026-01-01T12:00:00Z"
    containers = [] if state is None else [{"name": "worker", "state": state, **(container or {})}]
    return {
        "metadata": metadata,
        "spec": {"nodeName": "n1"},
        "status": {"phase": phase, "containerStatuses": containers, **status},
    }


def read(manifest: dict[str, Any], *, is_gone: bool = False) -> PodReport:
    report = read_pod_report(manifest, is_gone=is_gone)
    assert report is not None
    return report


@pytest.mark.parametrize("phase", ["Pending", "Running", "Unknown"])
def test_pod_that_has_not_ended_reports_nothing_yet(phase: str) -> None:
    assert read_pod_report(a_pod({"running": {}}, phase=phase)) is None


def test_pod_reports_what_its_message_says() -> None:
    assert read(a_pod(terminated(0), phase="Succeeded")) == PodReport(
        uid="u1",
        job=a_job_uid(),
        wave=1,
        items=CountedItems(succeeded=3, dead_lettered=1, attempts_failed=5),
        succeeded=True,
        lacks=(),
    )


@pytest.mark.parametrize(
    ("pod", "uncertain", "died_idle"),
    [
        pytest.param(a_pod(terminated(0)), 0, False, id="done"),
        pytest.param(a_pod(terminated(75)), 0, False, id="stopped early"),
        pytest.param(a_pod(terminated(1)), 0, False, id="failed, which its Job counts"),
        pytest.param(a_pod(terminated(137, HOLDING)), 1, False, id="killed with an item in hand"),
        pytest.param(a_pod(terminated(137)), 0, True, id="killed between two items"),
        pytest.param(a_pod(terminated(137, None)), 1, True, id="killed before it could say a word"),
        pytest.param(
            a_pod(terminated(139, HOLDING)), 1, False, id="crashed with an item, which counts twice"
        ),
        pytest.param(a_pod(terminated(139)), 0, False, id="crashed, which its Job counts"),
        pytest.param(a_pod(terminated(137), deleted=True), 0, False, id="killed as it was deleted"),
        pytest.param(a_pod(terminated(137), **DISRUPTED), 0, False, id="killed as it was evicted"),
        pytest.param(a_pod({"waiting": {}}), 0, False, id="an init container failed"),
        pytest.param(a_pod(None), 0, False, id="never admitted by its node"),
        pytest.param(a_pod(NEVER_RAN), 0, True, id="could not be located, and had never run"),
        pytest.param(a_pod(NEVER_RAN, deleted=True), 0, False, id="deleted before it ran"),
        pytest.param(a_pod(NO_SUCH_COMMAND), 0, False, id="could not be started"),
        pytest.param(
            a_pod(NEVER_RAN, container={"containerID": "containerd://1"}),
            1,
            True,
            id="could not be located, and may have run",
        ),
        pytest.param(
            a_pod(NEVER_RAN, container={"lastState": terminated(1, None)}),
            1,
            True,
            id="could not be located, and had run before",
        ),
        pytest.param(
            a_pod({"waiting": {}}, container={"lastState": terminated(1), "restartCount": 1}),
            1,
            False,
            id="was about to run again",
        ),
        pytest.param(
            a_pod({"waiting": {}}, **NODE_GONE), 1, False, id="its node was lost as it started"
        ),
        pytest.param(a_pod({"running": {}}), 1, False, id="its node was lost"),
    ],
)
def test_killed_pod_is_uncertain_by_its_item_or_has_failed(
    pod: dict[str, Any], uncertain: int, *, died_idle: bool
) -> None:
    report = read(pod)
    assert (report.items.uncertain, report.died_idle) == (uncertain, died_idle)


@pytest.mark.parametrize(("code", "phase"), [(0, "Succeeded"), (75, "Failed"), (137, "Failed")])
def test_report_of_a_deleted_pod_is_as_certain_as_before(code: int, phase: str) -> None:
    pod = a_pod(terminated(code), phase=phase, deleted=True)
    gone = read(pod, is_gone=True)
    assert gone.items == read(pod).items
    assert gone.items == CountedItems(succeeded=3, dead_lettered=1, attempts_failed=5)


def test_deleted_pod_that_was_killed_with_an_item_in_hand_is_uncertain_as_before() -> None:
    pod = a_pod(terminated(137, HOLDING))
    assert read(pod, is_gone=True).items.uncertain == 1


@pytest.mark.parametrize(
    ("pod", "is_gone", "deleted"),
    [
        pytest.param(a_pod(terminated(75)), True, 1, id="stopped early"),
        pytest.param(a_pod(terminated(75)), False, 0, id="still there"),
        pytest.param(a_pod(terminated(0), phase="Succeeded"), True, 0, id="counted by its Job"),
        pytest.param(
            a_pod(terminated(75, write_report(ItemCounts()))), True, 0, id="had settled nothing"
        ),
        pytest.param(a_pod({"running": {}}, phase="Running"), True, 0, id="uncertain anyway"),
    ],
)
def test_pods_whose_reports_only_this_operator_has_are_counted(
    pod: dict[str, Any], deleted: int, *, is_gone: bool
) -> None:
    reports = [read(pod, is_gone=is_gone)]
    assert attach_reports(a_job(), reports, is_listed=False).deleted == deleted


def test_reports_that_only_a_former_operator_had_are_uncertain() -> None:
    attached = attach_reports(a_job(), [], is_listed=False, unreadable=2)
    assert attached.items == CountedItems(uncertain=2)
    assert attached.deleted == 2


@pytest.mark.parametrize(
    "state",
    [
        pytest.param(NEVER_RAN, id="ended by the kubelet"),
        pytest.param(NO_SUCH_COMMAND, id="not started"),
        pytest.param({"waiting": {"reason": "ErrImagePull"}}, id="without its image"),
        pytest.param(None, id="not admitted"),
    ],
)
def test_deleted_pod_that_never_ran_settled_nothing(state: dict[str, Any] | None) -> None:
    assert read(a_pod(state, deleted=True), is_gone=True).items == CountedItems()


def test_pod_that_ran_when_it_was_deleted_has_told_nothing() -> None:
    report = read(a_pod({"running": {}}, phase="Running"), is_gone=True)
    assert report.items == CountedItems(uncertain=1)


def test_pod_that_is_deleted_before_it_ran_settled_nothing() -> None:
    assert read_pod_report(a_pod({"waiting": {}}, phase="Pending"), is_gone=True) is None


UNREADABLE = (
    "",
    "OOM",
    "[]",
    f"converted\n{SAID}",
    SAID[:20],
    '{"wqj":2,"succeeded":3}',
    '{"wqj":1,"succeeded":-1}',
    '{"wqj":1,"succeeded":1000000000001}',
    '{"wqj":1,"succeeded":' + "9" * 30 + "}",
    '{"wqj":1,"succeeded":' + "9" * 4000 + "}",
    '{"wqj":1,"succeeded":true}',
    '{"wqj":1,"succeeded":1.5}',
    '{"wqj":1,"succeeded":1}' + " " * 5000,
    "[" * 4000,
)


@pytest.mark.parametrize("code", [0, 1, 2, 75, 137, 143])
@pytest.mark.parametrize("message", UNREADABLE)
def test_what_a_pod_has_settled_that_left_no_report_is_not_known(message: str, code: int) -> None:
    items = read(a_pod(terminated(code, message))).items
    assert items.unreported == 1
    assert items.model_copy(update={"unreported": 0, "uncertain": 0}) == CountedItems()


def test_report_is_read_although_the_command_wrote_behind_it() -> None:
    said = a_pod(terminated(137, f"{SAID}   \nconverted\n"))
    assert read(said) == read(a_pod(terminated(137)))


@pytest.mark.parametrize("reason", ["StartError", "ContainerCannotRun"])
def test_container_that_could_not_be_started_has_settled_nothing(reason: str) -> None:
    pod = a_pod(terminated(128, "exec: no such file"))
    pod["status"]["containerStatuses"][0]["state"]["terminated"]["reason"] = reason
    assert read(pod).items.unreported == 0


@pytest.mark.parametrize("state", [None, {"waiting": {}}, {"running": {}}])
def test_only_a_container_that_has_ended_can_have_left_no_report(
    state: dict[str, Any] | None,
) -> None:
    assert read(a_pod(state)).items.unreported == 0


def test_reports_as_large_as_they_may_be_are_added_up_and_stored() -> None:
    most = json.dumps({"wqj": 1, **dict.fromkeys(asdict(ItemCounts()), 10**12)})
    pods = [read(a_pod(terminated(137, most))) for _ in range(50)]

    items = add_items(pods)

    assert items.attempts_failed == 50 * 2 * 10**12
    assert CountedItems.from_manifest(items.to_manifest()) == items


def test_counter_beyond_what_can_be_stored_is_capped_and_stops_no_run() -> None:
    assert CountedItems(succeeded=2**70).succeeded == 2**53 - 1


def test_note_of_whoever_writes_one_is_short_and_no_terminal_obeys_it() -> None:
    note = "\x1b[2J\x07bad\n\u202eword " + "x" * 3000
    said = read(a_pod(terminated(1, json.dumps({"wqj": 1, "note": note})))).complaint

    assert said is not None
    assert said.startswith(" [2J bad  word xxx")
    assert said.isprintable()
    assert len(said) == 1000


def test_only_the_container_with_the_worker_is_looked_at() -> None:
    pod = a_pod(terminated(0), phase="Succeeded")
    sidecar = {"name": "sidecar", "state": terminated(137, None)}
    pod["status"]["containerStatuses"].insert(0, sidecar)
    pod["spec"] = {
        "containers": [
            {"name": "sidecar"},
            {"name": "worker", "env": [{"name": "WQJ_SETTINGS", "value": "{}"}]},
        ]
    }
    assert read(pod) == read(a_pod(terminated(0), phase="Succeeded"))


def a_report(uid: str, *, job: str = a_job_uid(), **fields: Any) -> PodReport:
    return PodReport(uid, job, CountedItems(**fields.pop("items", {})), **fields)


def test_a_job_gets_the_sum_of_its_own_pods_reports() -> None:
    reports = [
        a_report("a", items={"succeeded": 2}),
        a_report("b", items={"succeeded": 1, "uncertain": 1}),
        a_report("c", items={"succeeded": 7}, job=a_job_uid(2)),
    ]
    assert attach_reports(a_job(), reports, is_listed=False).items == CountedItems(
        succeeded=3, uncertain=1
    )


def test_pods_that_died_idle_are_failures_beside_those_that_the_job_counts() -> None:
    reports = [a_report("a", died_idle=True), a_report("b", died_idle=True), a_report("c")]
    assert attach_reports(a_job(failed=1), reports, is_listed=False).failed == 3


@pytest.mark.parametrize(("is_listed", "uncertain"), [(True, 2), (False, 0)])
def test_report_that_is_missing_for_good_makes_the_job_uncertain(
    uncertain: int, *, is_listed: bool
) -> None:
    reports = [a_report(uid, succeeded=True) for uid in "abc"]
    job = attach_reports(a_finished_job(succeeded=5), reports, is_listed=is_listed)
    assert job.items is not None
    assert job.items.uncertain == uncertain


def test_no_reports_add_up_to_nothing() -> None:
    assert add_items([]) == CountedItems()


def test_what_a_worker_is_not_certain_of_is_uncertain_although_it_ended_in_order() -> None:
    said = write_report(ItemCounts(succeeded=3, uncertain=2))
    assert read(a_pod(terminated(0, said), phase="Succeeded")).items.uncertain == 2
    assert read(a_pod(terminated(137, said))).items.uncertain == 2
    holding = write_report(ItemCounts(succeeded=3, uncertain=2), held=1)
    assert read(a_pod(terminated(137, holding))).items.uncertain == 3


STOPPED = write_report(ItemCounts(released=1), stopping=True, note="told to stop")
PROBED: dict[str, Any] = {
    "containers": [{"name": "worker", "livenessProbe": {"tcpSocket": {"port": 80}}}],
    "activeDeadlineSeconds": 60,
}


def a_stopped_pod(
    message: str = STOPPED, *, code: int = 75, deleted: bool = False, **status: Any
) -> dict[str, Any]:
    return a_pod(terminated(code, message), deleted=deleted, **status) | {"spec": PROBED}


def with_stop(counts: ItemCounts, *, holding: bool = False) -> str:
    return write_report(counts, held=int(holding), stopping=True)


@pytest.mark.parametrize(
    ("pod", "fails", "ended_by"),
    [
        pytest.param(a_stopped_pod(), True, "livenessProbe", id="by its probe, without an item"),
        pytest.param(
            a_stopped_pod(reason="DeadlineExceeded"), True, "activeDeadlineSeconds", id="deadline"
        ),
        pytest.param(
            a_stopped_pod(with_stop(ItemCounts(attempts_failed=1)), reason="DeadlineExceeded"),
            False,
            "activeDeadlineSeconds",
            id="by its deadline, which counted as an attempt",
        ),
        pytest.param(
            a_stopped_pod(with_stop(ItemCounts(succeeded=1))), False, "livenessProbe", id="at work"
        ),
        pytest.param(
            a_stopped_pod(with_stop(ItemCounts(), holding=True), code=137),
            False,
            "livenessProbe",
            id="killed by its probe with an item, which is an attempt",
        ),
        pytest.param(a_stopped_pod(deleted=True), False, None, id="deleted"),
        pytest.param(a_stopped_pod(**DISRUPTED), False, None, id="evicted"),
        pytest.param(
            a_stopped_pod(write_report(ItemCounts(), note="refused")), False, None, id="by itself"
        ),
    ],
)
def test_pod_that_its_template_ended_for_nothing_has_failed(
    pod: dict[str, Any], ended_by: str | None, *, fails: bool
) -> None:
    report = read(pod)

    assert report.died_idle is fails
    assert (ended_by or "") in (report.ended_by or "")
    assert (report.ended_by is None) is (ended_by is None)


def test_job_tells_what_ended_its_pods() -> None:
    reports = [read(a_stopped_pod())]

    job = attach_reports(a_job(), reports, is_listed=False)

    assert job.failed == a_job().failed + 1
    assert job.ended_by == "the livenessProbe of container worker"
