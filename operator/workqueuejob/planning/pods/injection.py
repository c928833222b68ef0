"""Brings the worker into a pod whose image doesn't have it. Pure: it only rewrites a pod spec.

An init container copies a Python that needs nothing of the image into a volume. The container's
command becomes an argument of the worker, which the loader from that volume starts. The worker's
settings are in the environment, which is not built here.
"""

import copy
from collections.abc import Mapping
from typing import Any

Manifest = dict[str, Any]

VOLUME = "wqj-worker"
INIT_CONTAINER = "wqj-worker-install"
MOUNT_PATH = "/wqj"

# Neither a shell nor a variable, because the user's command would inherit what they set. -I and -S
# ignore the environment and the image's own packages, and utf8 its locale.
LAUNCHER = (
    f"{MOUNT_PATH}/bin/loader",
    "--inhibit-cache",
    "--library-path",
    f"{MOUNT_PATH}/lib",
    f"{MOUNT_PATH}/bin/python3",
    "-I",
    "-S",
    "-X",
    "utf8",
    f"{MOUNT_PATH}/bin/wqj-worker",
    "run",
)

_OWN_RESOURCES = ("cpu", "memory", "ephemeral-storage")
_NOBODY = 65532


def inject_worker(
    pod: Mapping[str, Any],
    *,
    image: str,
    pull_policy: str | None,
    container: str,
) -> Manifest:
    """Return a pod's spec in which the worker runs the command of one of its containers.

    container: its name. It has a command, because the command of an image can't be seen.
    """
    injected = copy.deepcopy(dict(pod))
    (worked_on,) = (known for known in injected["containers"] if known["name"] == container)
    _wrap_command(worked_on)
    _append(worked_on, "volumeMounts", {**_build_mount(), "readOnly": True})
    _append(injected, "volumes", {"name": VOLUME, "emptyDir": {}})
    install = _build_install(injected, worked_on, image=image, pull_policy=pull_policy)
    # First, so that other init containers may use it, and their failures are not blamed on it.
    injected["initContainers"] = [install, *(injected.get("initContainers") or ())]
    return injected


def _wrap_command(container: Manifest) -> None:
    own = [*container["command"], *(container.pop("args", None) or ())]
    container["command"] = [*LAUNCHER, "--", *own]


def _append(target: Manifest, field: str, entry: Manifest) -> None:
    target[field] = [*(target.get(field) or ()), entry]


def _build_mount() -> Manifest:
    return {"name": VOLUME, "mountPath": MOUNT_PATH}


def _build_install(
    pod: Mapping[str, Any], worked_on: Mapping[str, Any], *, image: str, pull_policy: str | None
) -> Manifest:
    install: Manifest = {
        "name": INIT_CONTAINER,
        "image": image,
        "command": ["wqj-worker-install", MOUNT_PATH],
        "volumeMounts": [_build_mount()],
        "resources": _build_resources(worked_on),
        "securityContext": _build_security_context(pod),
    }
    if pull_policy is not None:
        install["imagePullPolicy"] = pull_policy
    return install


def _build_resources(worked_on: Mapping[str, Any]) -> Manifest:
    """Return what the worked-on container requests, without its devices.

    A pod requests the maximum of its init containers and of the sum of all others, so this adds
    nothing. It keeps the pod's quality of service, and passes the quotas and limit ranges that the
    container passes.
    """
    resources = worked_on.get("resources") or {}
    kept = {
        kind: {
            name: quantity
            for name, quantity in (resources.get(kind) or {}).items()
            if name in _OWN_RESOURCES
        }
        for kind in ("requests", "limits")
    }
    return {kind: quantities for kind, quantities in kept.items() if quantities}


def _build_security_context(pod: Mapping[str, Any]) -> Manifest:
    """Return what the Pod Security Standard `restricted` asks for.

    It names no user, because OpenShift refuses one that is named, so the container runs as the
    user of the pod or else of the image. Only if the pod's user is root it names another one,
    because this container refuses to be root.
    """
    context: Manifest = {
        "runAsNonRoot": True,
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    if (pod.get("securityContext") or {}).get("runAsUser") == 0:
        context["runAsUser"] = _NOBODY
    return context
