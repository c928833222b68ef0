"""What a pod is made of when the worker is brought into it."""

import copy
from typing import Any

import pytest

from workqueuejob.planning.pods.injection import INIT_CONTAINER, LAUNCHER, VOLUME, inject_worker

IMAGE = "registry.example/worker@sha256:1"
Manifest = dict[str, Any]


def a_pod(container: Manifest | None = None, **fields: Any) -> Manifest:
    worked_on = {"name": "main", "image": "busybox", "command": ["sha256sum"], **(container or {})}
    return {"containers": [{"name": "proxy", "image": "proxy"}, worked_on], **fields}


def inject(pod: Manifest, *, pull_policy: str | None = None) -> Manifest:
    return inject_worker(pod, image=IMAGE, pull_policy=pull_policy, container="main")


def install_of(pod: Manifest) -> Manifest:
    install: Manifest = pod["initContainers"][0]
    return install


def test_worker_runs_the_containers_command_with_its_arguments() -> None:
    pod = inject(a_pod({"command": ["sh", "-c"], "args": ["echo $(NAME)"]}))

    _, main = pod["containers"]
    assert main["command"] == [*LAUNCHER, "--", "sh", "-c", "echo $(NAME)"]
    # They would be given to the worker once more.
    assert "args" not in main


def test_launcher_needs_neither_shell_nor_environment() -> None:
    pod = inject(a_pod())

    _, main = pod["containers"]
    assert main["command"][0].startswith("/")
    assert "env" not in main
    assert "env" not in install_of(pod)


def test_other_containers_stay_as_they_are() -> None:
    before = a_pod()

    pod = inject(before)

    assert pod["containers"][0] == before["containers"][0]


def test_given_pod_is_not_changed() -> None:
    before = a_pod({"args": ["x"]}, volumes=[{"name": "own"}], initContainers=[{"name": "own"}])
    kept = copy.deepcopy(before)

    inject(before)

    assert before == kept


def test_volume_is_shared_and_read_only_to_the_command() -> None:
    pod = inject(
        a_pod({"volumeMounts": [{"name": "own", "mountPath": "/own"}]}, volumes=[{"name": "own"}])
    )

    _, main = pod["containers"]
    assert pod["volumes"] == [{"name": "own"}, {"name": VOLUME, "emptyDir": {}}]
    assert main["volumeMounts"] == [
        {"name": "own", "mountPath": "/own"},
        {"name": VOLUME, "mountPath": "/wqj", "readOnly": True},
    ]
    assert install_of(pod)["volumeMounts"] == [{"name": VOLUME, "mountPath": "/wqj"}]


def test_worker_is_installed_before_all_else() -> None:
    pod = inject(a_pod(initContainers=[{"name": "own"}]))

    assert [one["name"] for one in pod["initContainers"]] == [INIT_CONTAINER, "own"]
    assert install_of(pod)["image"] == IMAGE
    assert install_of(pod)["command"] == ["wqj-worker-install", "/wqj"]


def test_fields_that_are_null_are_as_if_absent() -> None:
    pod = inject(
        a_pod(
            {"args": None, "volumeMounts": None, "resources": None},
            volumes=None,
            initContainers=None,
            securityContext=None,
        )
    )

    assert len(pod["initContainers"]) == 1
    assert pod["containers"][1]["command"][-2:] == ["--", "sha256sum"]


@pytest.mark.parametrize(
    ("policy", "expected"), [(None, {}), ("Never", {"imagePullPolicy": "Never"})]
)
def test_pull_policy_is_stated_only_if_given(policy: str | None, expected: Manifest) -> None:
    install = install_of(inject(a_pod(), pull_policy=policy))

    assert {name: install[name] for name in install if name == "imagePullPolicy"} == expected


def test_install_asks_for_what_the_container_asks_for_without_its_devices() -> None:
    own = {
        "requests": {"cpu": "100m", "memory": "64Mi", "nvidia.com/gpu": 1},
        "limits": {"memory": "64Mi", "ephemeral-storage": "1Gi", "nvidia.com/gpu": 1},
        "claims": [{"name": "card"}],
    }

    install = install_of(inject(a_pod({"resources": own})))

    assert install["resources"] == {
        "requests": {"cpu": "100m", "memory": "64Mi"},
        "limits": {"memory": "64Mi", "ephemeral-storage": "1Gi"},
    }


def test_install_without_resources_leaves_them_to_the_namespaces_defaults() -> None:
    assert install_of(inject(a_pod()))["resources"] == {}


def test_install_is_restricted() -> None:
    assert install_of(inject(a_pod()))["securityContext"] == {
        "runAsNonRoot": True,
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }


@pytest.mark.parametrize(("user", "stated"), [(None, None), (1000, None), (0, 65532)])
def test_install_is_never_root_and_otherwise_the_pods_own_user(
    user: int | None, stated: int | None
) -> None:
    pod = inject(a_pod(securityContext={"runAsUser": user, "fsGroup": 7}))

    assert install_of(pod)["securityContext"].get("runAsUser") == stated
