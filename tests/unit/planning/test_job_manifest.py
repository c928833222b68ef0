"""The Job of a wave."""

from typing import Any

import pytest

from tests.builders import NAMESPACE, UID, a_template, a_work_queue_job, a_worker_spec
from workqueuejob.brokers.worker_settings import read_settings
from workqueuejob.contract import exit_codes
from workqueuejob.contract.probes import ProbeSettings
from workqueuejob.errors import TemplateInvalid
from workqueuejob.names import job_name
from workqueuejob.planning.actions import CreateWave
from workqueuejob.planning.observing.jobs import read_job
from workqueuejob.planning.pods.job_manifest import WorkerImage, build_job, hash_template

WAVE = CreateWave(wave=3, completions=8, parallelism=2)
OURS = {
    "wqj.dev/name": "fruits",
    "wqj.dev/uid": UID,
    "wqj.dev/wave": "3",
    "wqj.dev/installation": "default.workqueuejob",
}


def build(**spec: Any) -> dict[str, Any]:
    return build_job(a_work_queue_job(**spec), WAVE, WorkerImage("worker"))


def environment_of(manifest: dict[str, Any], kind: str = "containers") -> list[dict[str, Any]]:
    environment: list[dict[str, Any]] = manifest["spec"]["template"]["spec"][kind][0]["env"]
    return environment


def test_name_is_the_waves_and_stays_the_same() -> None:
    metadata = build()["metadata"]
    assert (metadata["name"], metadata["namespace"]) == (job_name("fruits", UID, 3), NAMESPACE)
    assert build() == build()


def test_job_is_owned_and_controlled_by_its_work_queue_job() -> None:
    assert build()["metadata"]["ownerReferences"] == [
        {
            "apiVersion": "wqj.dev/v1alpha1",
            "kind": "WorkQueueJob",
            "name": "fruits",
            "uid": UID,
            "controller": True,
            "blockOwnerDeletion": True,
        }
    ]


def test_job_and_pods_carry_our_labels_beside_the_users() -> None:
    manifest = build(
        job_metadata={"labels": {"team": "a"}, "annotations": {"note": "b"}},
        template=a_template() | {"metadata": {"labels": {"app": "c"}, "annotations": {"d": "e"}}},
    )
    assert manifest["metadata"]["labels"] == {"team": "a", **OURS}
    assert manifest["metadata"]["annotations"]["note"] == "b"
    metadata = manifest["spec"]["template"]["metadata"]
    assert metadata["labels"] == {"app": "c", **OURS}
    assert metadata["annotations"]["d"] == "e"


def test_our_labels_win() -> None:
    stolen = {"labels": {"wqj.dev/wave": "9"}}
    manifest = build(job_metadata=stolen, template=a_template() | {"metadata": stolen})
    assert manifest["metadata"]["labels"] == OURS
    assert manifest["spec"]["template"]["metadata"]["labels"] == OURS


def test_labels_of_the_work_queue_job_itself_are_not_copied() -> None:
    resource = a_work_queue_job()
    labelled = resource.metadata.model_copy(update={"labels": {"argocd": "x"}})
    manifest = build_job(
        resource.model_copy(update={"metadata": labelled}), WAVE, WorkerImage("worker")
    )
    assert manifest["metadata"]["labels"] == OURS


def test_completions_fail_and_wait_each_for_themselves() -> None:
    spec = build(backoff_limit=4)["spec"]
    assert (spec["completions"], spec["parallelism"]) == (8, 2)
    assert spec["completionMode"] == "Indexed"
    assert spec["backoffLimitPerIndex"] == 4
    assert spec["podReplacementPolicy"] == "Failed"
    assert "backoffLimit" not in spec
    assert spec["template"]["spec"]["restartPolicy"] == "Never"


def test_evicted_pods_are_nobodys_failure() -> None:
    assert build()["spec"]["podFailurePolicy"] == {
        "rules": [
            {
                "action": "Ignore",
                "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}],
            }
        ]
    }


POLICY: dict[str, Any] = {
    "rules": [
        {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [3, 42]}},
        {"action": "Count", "onPodConditions": [{"type": "DisruptionTarget"}]},
    ]
}


def test_users_own_rules_follow_ours() -> None:
    (ours, fail, count) = build(pod_failure_policy=POLICY)["spec"]["podFailurePolicy"]["rules"]
    assert ours["action"] == "Ignore"
    assert fail == POLICY["rules"][0]
    assert count["onPodConditions"] == [{"type": "DisruptionTarget", "status": "True"}]


def test_containers_that_restart_in_place_get_what_kubernetes_allows_them() -> None:
    spec = build(template=a_template(restartPolicy="OnFailure"), backoff_limit=4)["spec"]
    assert spec["completionMode"] == "Indexed"
    assert spec["backoffLimit"] == 4
    assert not {"backoffLimitPerIndex", "podReplacementPolicy", "podFailurePolicy"} & spec.keys()
    assert spec["template"]["spec"]["restartPolicy"] == "OnFailure"


def test_what_belongs_to_the_run_is_never_copied_to_a_wave() -> None:
    assert (
        not {"activeDeadlineSeconds", "ttlSecondsAfterFinished", "suspend"} & build()["spec"].keys()
    )


def test_every_container_finds_its_queue() -> None:
    container = {"name": "c", "image": "i"}
    manifest = build(template=a_template(initContainers=[container], containers=[container]))
    for kind in ("initContainers", "containers"):
        assert [v["name"] for v in environment_of(manifest, kind)] == ["BROKER_URL", "QUEUE"]


def test_only_the_named_container_finds_its_queue() -> None:
    names = ("mine", "sidecar")
    template = a_template(
        initContainers=[{"name": "first", "image": "i"}],
        containers=[{"name": name, "image": "i"} for name in names],
    )
    login = {"credentials_secret_ref": {"name": "mq"}}
    pod = build(template=template, rabbitmq=login, container_name="mine")["spec"]["template"][
        "spec"
    ]
    mine, sidecar = pod["containers"]
    assert {v["name"] for v in mine["env"]} >= {"BROKER_URL", "QUEUE", "WQJ_BROKER_PASSWORD"}
    assert "env" not in sidecar
    assert "env" not in pod["initContainers"][0]


def test_naming_a_container_is_a_change_of_the_pods() -> None:
    assert hash_template(a_work_queue_job(container_name="worker")) != hash_template(
        a_work_queue_job()
    )


def test_users_own_variable_wins() -> None:
    container = {"name": "c", "image": "i", "env": [{"name": "QUEUE", "value": "mine"}]}
    environment = environment_of(build(template=a_template(containers=[container])))
    assert [v for v in environment if v["name"] == "QUEUE"] == [{"name": "QUEUE", "value": "mine"}]


def test_users_variables_may_refer_to_ours() -> None:
    own = {"name": "URL", "value": "$(BROKER_URL)?heartbeat=30"}
    container = {"name": "c", "image": "i", "env": [own]}
    environment = environment_of(build(template=a_template(containers=[container])))
    assert [v["name"] for v in environment] == ["BROKER_URL", "QUEUE", "URL"]


def test_everything_else_of_the_template_is_kept() -> None:
    template = a_template(priorityClassName="low", volumes=[{"name": "v", "emptyDir": {}}])
    pod = build(template=template)["spec"]["template"]["spec"]
    assert pod["priorityClassName"] == "low"
    assert pod["volumes"] == [{"name": "v", "emptyDir": {}}]


def test_building_changes_nothing_in_the_resource() -> None:
    resource = a_work_queue_job()
    before = resource.model_dump()
    build_job(resource, WAVE, WorkerImage("worker"))
    assert resource.model_dump() == before


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({}, True),
        ({"parallelism": 9}, True),
        ({"template": a_template(priorityClassName="low")}, False),
        ({"pod_failure_policy": POLICY}, False),
        ({"rabbitmq": {"management": {"url": "http://mq:15672"}}}, True),
        ({"rabbitmq": {"surplus_pod_timeout_seconds": 60}}, True),
        ({"rabbitmq": {"host": "other"}}, False),
    ],
)
def test_hash_tells_one_template_from_another(change: dict[str, Any], *, same: bool) -> None:
    hashes = {hash_template(a_work_queue_job(**spec)) for spec in ({}, change)}
    assert len(hashes) == (1 if same else 2)


def test_hash_is_the_one_that_running_jobs_were_made_with() -> None:
    odd = {"name": "ü🍎\x7f", "image": "i", "z": [1.50, 1e30, None, True, {"b": 1, "a": {}}]}
    worked = a_work_queue_job(template={"spec": {"containers": [odd]}}, **a_worker_spec())

    # Made by version 0.1.0.
    assert hash_template(a_work_queue_job()) == "9f09a070eabd8fe4"
    assert hash_template(worked) == "8011c2092a1060d8"


def test_template_that_is_too_large_is_refused_with_a_remedy() -> None:
    resource = a_work_queue_job(template=a_template(x="y" * 300_000))

    with pytest.raises(TemplateInvalid, match=r"spec\.template is 300,\d+ bytes.*ConfigMap"):
        build_job(resource, WAVE, WorkerImage("worker"))

    assert hash_template(resource) != hash_template(a_work_queue_job())


def test_job_that_was_built_can_be_read() -> None:
    manifest = build()
    manifest["metadata"] |= {"creationTimestamp": "2026-01-01T12:00:00Z", "resourceVersion": "7"}
    job = read_job(manifest)
    assert (job.wave, job.completions, job.parallelism, job.open) == (3, 8, 2, 8)
    assert job.template_hash == hash_template(a_work_queue_job())


def test_list_that_only_the_operator_reads_is_no_part_of_the_template() -> None:
    hashes = {
        hash_template(
            a_work_queue_job(queue={"redis": {"host": "redis", "list": {"key": "job2", **named}}})
        )
        for named in ({}, {"processing_key": "held"})
    }
    assert len(hashes) == 1


WORKER = a_worker_spec(mode="Fine")


class TestAJobOfOurWorker:
    def test_failures_that_are_nobodys_are_ignored_before_any_other_rule(self) -> None:
        assert build(**WORKER)["spec"]["podFailurePolicy"]["rules"] == [
            {
                "action": "Ignore",
                "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}],
            },
            {
                "action": "Ignore",
                "onExitCodes": {
                    "containerName": "worker",
                    "operator": "In",
                    "values": [exit_codes.STOPPED_EARLY, exit_codes.KILLED],
                },
            },
        ]

    def test_only_the_container_that_works_on_the_items_is_told_and_ignored(self) -> None:
        containers = [{"name": "proxy", "image": "p"}, {"name": "main", "image": "m"}]
        worker = {"source": "Image", "container_name": "main"}
        manifest = build(**WORKER | {"worker": worker}, template=a_template(containers=containers))
        pod = manifest["spec"]["template"]["spec"]
        assert [len(container.get("env", ())) > 0 for container in pod["containers"]] == [
            False,
            True,
        ]
        (_, codes) = manifest["spec"]["podFailurePolicy"]["rules"]
        assert codes["onExitCodes"]["containerName"] == "main"

    def test_users_own_variables_win(self) -> None:
        own = {"name": "WQJ_POD_NAME", "value": "mine"}
        containers = [{"name": "worker", "image": "i", "env": [own]}]
        manifest = build(**WORKER, template=a_template(containers=containers))
        named = [v for v in environment_of(manifest) if v["name"] == "WQJ_POD_NAME"]
        assert named == [own]

    def test_its_pods_can_be_told_from_foreign_ones(self) -> None:
        labels = build(**WORKER)["spec"]["template"]["metadata"]["labels"]
        assert labels == OURS | {"wqj.dev/worker": "true"}
        assert "wqj.dev/worker" not in build()["spec"]["template"]["metadata"]["labels"]

    def test_its_command_is_left_alone_when_the_image_brings_the_worker(self) -> None:
        (container,) = build(**WORKER)["spec"]["template"]["spec"]["containers"]
        assert "command" not in container

    @pytest.mark.parametrize(
        "change",
        [
            {"worker": {"source": "Image", "item_timeout_seconds": 9}},
            {"retry": {"max_attempts": 9, "on_exhausted": "Discard"}},
        ],
    )
    def test_what_the_worker_is_told_is_part_of_its_template(self, change: dict[str, Any]) -> None:
        before = a_work_queue_job(**WORKER)
        after = a_work_queue_job(**WORKER | change)
        assert hash_template(before) != hash_template(after)

    def test_fine_wave_may_grow(self) -> None:
        wave = CreateWave(wave=1, completions=3, parallelism=3)
        spec = build_job(a_work_queue_job(**WORKER), wave, WorkerImage("worker"))["spec"]
        assert (spec["completionMode"], spec["completions"], spec["parallelism"]) == (
            "Indexed",
            3,
            3,
        )


PROBED: dict[str, Any] = {"livenessProbe": {"tcpSocket": {"port": 80}}}


def test_worker_is_told_of_its_containers_probes_which_stay_as_they_are() -> None:
    template = a_template()
    template["spec"]["containers"][0] |= {"command": ["sha256sum"], **PROBED}

    built = build(template=template, **a_worker_spec())

    (container,) = built["spec"]["template"]["spec"]["containers"]
    assert container["livenessProbe"] == PROBED["livenessProbe"]
    told = {one["name"]: one.get("value") or "" for one in environment_of(built)}
    probes = (ProbeSettings("livenessProbe", port=80),)
    assert read_settings(told).probes == probes


def test_probe_of_a_program_of_ones_own_stays_as_it_is() -> None:
    template = a_template()
    template["spec"]["containers"][0] |= PROBED

    (container,) = build(template=template)["spec"]["template"]["spec"]["containers"]

    assert container["livenessProbe"] == PROBED["livenessProbe"]


def test_worker_is_told_of_its_pods_deadline() -> None:
    template = a_template()
    template["spec"] |= {"activeDeadlineSeconds": 600}
    template["spec"]["containers"][0] |= {"command": ["sha256sum"]}

    manifest = build(template=template, **a_worker_spec())

    told = {one["name"]: one.get("value") or "" for one in environment_of(manifest)}
    assert read_settings(told).deadline_seconds == 600
