"""The cluster that the demo and the tests run on, and how images and charts get there.

Without `KUBE_CONTEXT` it is the local cluster of `dev/local`, which is started if it is not up.
With `KUBE_CONTEXT` it is that context of the usual kubeconfig, and images are pushed to and pulled
from `IMAGE_REGISTRY`. Only the standard library is imported, because this runs before anything is
installed.
"""

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
LOCAL_CLUSTER = ROOT / "dev" / "cluster"
CHART = ROOT / "deploy" / "chart"
RELEASE = "workqueuejob"
NAMESPACE = "workqueuejob-system"
LOCAL_REGISTRY = "localhost/workqueuejob"
OFFICIAL_IMAGES = "docker.io/library"
TAG = "dev"

_BUILDERS = ("docker", "podman", "buildah")


class EnvironmentProblem(Exception):
    """The environment lacks something that the user must provide; the message says what."""


@dataclass(frozen=True, slots=True)
class Image:
    """An image that this repository builds."""

    name: str
    context: Path
    tag: str = TAG
    target: str | None = None
    """A stage of its Dockerfile; None: the last one."""
    base: "Image | None" = None
    """The image that it is built on, if that is another one of these; it is built first."""
    is_public: bool = False
    """Whether Docker Hub has it. The local cluster pulls nothing, and builds it by that name."""

    @property
    def local_reference(self) -> str:
        """The name that the example manifests use."""
        name = f"{self.name}:{self.tag}"
        return name if self.is_public else f"{LOCAL_REGISTRY}/{name}"

    @property
    def build_options(self) -> tuple[str, ...]:
        """The options that every builder needs."""
        return ("--target", self.target) if self.target else ()


OPERATOR = Image("operator", ROOT)
INJECTED = Image("worker", ROOT, target="worker")
WORKER = Image("job-wq-1", ROOT / "examples" / "coarse-rabbitmq" / "worker")
RABBITMQ = Image("rabbitmq", ROOT / "dev" / "images" / "rabbitmq", tag="3")
REDIS = Image("redis", ROOT / "dev" / "images" / "redis", tag="7", is_public=True)
BUSYBOX = Image("busybox", ROOT / "dev" / "images" / "busybox", tag="1", is_public=True)
KAFKA = Image("kafka", ROOT / "dev" / "images" / "kafka", tag="4")
FINE_WORKER = Image("job-wq-2", ROOT / "examples" / "fine-redis" / "worker")
FACTORS = Image("factors", ROOT / "examples" / "python-worker" / "program", base=INJECTED)
DIGITS = Image("digits", ROOT / "examples" / "kafka-inference" / "program", base=INJECTED)
INSTALLED = (OPERATOR, INJECTED)
"""What the chart installs."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster to run on."""

    kubectl_command: tuple[str, ...]
    helm_command: tuple[str, ...]
    registry: str
    """Replaces `localhost/workqueuejob` in the names of images."""
    is_local: bool

    def kubectl(
        self, *arguments: str, stdin: str | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl; raises CalledProcessError, with its stderr, unless `check` is False."""
        return _run((*self.kubectl_command, *arguments), stdin=stdin, check=check)

    def get(self, *arguments: str) -> dict[str, Any]:
        """Return the object that `kubectl get -o json` prints."""
        answer: dict[str, Any] = json.loads(self.kubectl("get", *arguments, "-o", "json").stdout)
        return answer

    def apply(self, manifests: str, *, namespace: str) -> None:
        """Apply manifests, with images from this cluster's registry."""
        text = manifests.replace(LOCAL_REGISTRY, self.registry)
        self.kubectl("apply", "-n", namespace, "-f", "-", stdin=text)

    def build(self, image: Image) -> None:
        """Build an image unless it is up to date, and import or push it for the cluster."""
        if self.is_local:
            name = image.local_reference
            if image.is_public:
                name = f"{OFFICIAL_IMAGES}/{name}"
            build = (str(LOCAL_CLUSTER), "build-image", name, str(image.context))
            base = ("--base", image.base.local_reference) if image.base else ()
            _run((*build, *image.build_options, *base), show=True)
            return
        if image.is_public:
            return
        builder = next((tool for tool in _BUILDERS if shutil.which(tool)), None)
        if builder is None:
            raise EnvironmentProblem(f"to build images, install one of {', '.join(_BUILDERS)}")
        reference = self._refer(image)
        options = ["--tag", reference, *image.build_options]
        if image.base:
            options += ["--build-arg", f"BASE_IMAGE={self._refer(image.base)}"]
        _run((builder, "build", *options, str(image.context)), show=True)
        _run((builder, "push", reference), show=True)

    def _refer(self, image: Image) -> str:
        return image.local_reference.replace(LOCAL_REGISTRY, self.registry)

    def install_operator(self) -> None:
        """Install or upgrade the chart with the built images, and wait until it is ready."""
        pull_policy = "IfNotPresent" if self.is_local else "Always"
        values = {
            "image.repository": f"{self.registry}/{OPERATOR.name}",
            "image.tag": OPERATOR.tag,
            "image.pullPolicy": pull_policy,
            "worker.image.repository": f"{self.registry}/{INJECTED.name}",
            "worker.image.tag": INJECTED.tag,
            "worker.image.pullPolicy": pull_policy,
            # The tag stays the same, so a hash of the image's contents must change the pod.
            "podAnnotations.image-inputs": _hash_operator_inputs(),
        }
        self._clear_interrupted_release()
        settings = [
            part for key, value in values.items() for part in ("--set-string", f"{key}={value}")
        ]
        _run(
            (
                *self.helm_command, "upgrade", "--install", RELEASE, str(CHART),
                "--namespace", NAMESPACE, "--create-namespace",
                *settings, "--wait", "--timeout", "180s",
            )
        )  # fmt: skip

    def _clear_interrupted_release(self) -> None:
        """Remove a release whose installation was killed, because Helm refuses to upgrade it.

        The CustomResourceDefinition stays, and so does every WorkQueueJob.
        """
        status = self._release_status()
        if status is not None and status.startswith("pending"):
            self.uninstall_operator()

    def is_operator_installed(self) -> bool:
        """Return whether there is a release of the chart's usual name."""
        return self._release_status() is not None

    def _release_status(self) -> str | None:
        command = (*self.helm_command, "status", RELEASE, "--namespace", NAMESPACE, "-o", "json")
        done = _run(command, check=False)
        return json.loads(done.stdout)["info"]["status"] if done.returncode == 0 else None

    def uninstall_operator(self) -> None:
        """Uninstall the chart. The CustomResourceDefinition and every WorkQueueJob stay."""
        _run((*self.helm_command, "uninstall", RELEASE, "--namespace", NAMESPACE, "--wait"))


def connect() -> Cluster:
    """Return the cluster that the environment names; start the local one if it is not up.

    Raises EnvironmentProblem when something is missing.
    """
    context = os.environ.get("KUBE_CONTEXT")
    if context is None:
        return _connect_locally()
    registry = os.environ.get("IMAGE_REGISTRY")
    if not registry:
        raise EnvironmentProblem(
            "with KUBE_CONTEXT, set IMAGE_REGISTRY to a registry that you can push to and that"
            " the cluster can pull from, such as localhost:5001/workqueuejob"
        )
    for tool in ("kubectl", "helm"):
        if shutil.which(tool) is None:
            raise EnvironmentProblem(f"{tool} is not on PATH; install it")
    return Cluster(
        kubectl_command=("kubectl", "--context", context),
        helm_command=("helm", "--kube-context", context),
        registry=registry.rstrip("/"),
        is_local=False,
    )


def _connect_locally() -> Cluster:
    _run((str(LOCAL_CLUSTER), "up"), show=True)
    kubeconfig = _run((str(LOCAL_CLUSTER), "kubeconfig")).stdout.strip()
    binaries = Path(_run((str(LOCAL_CLUSTER), "binaries")).stdout.strip())
    return Cluster(
        kubectl_command=(str(binaries / "kubectl"), "--kubeconfig", kubeconfig),
        helm_command=(str(binaries / "helm"), "--kubeconfig", kubeconfig),
        registry=LOCAL_REGISTRY,
        is_local=True,
    )


def _hash_operator_inputs() -> str:
    digest = hashlib.sha256()
    inputs = [ROOT / "Dockerfile", ROOT / "requirements.lock", ROOT / "pyproject.toml"]
    inputs += sorted((ROOT / "operator" / "workqueuejob").rglob("*.py"))
    for path in inputs:
        digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def _run(
    command: Sequence[str], *, stdin: str | None = None, check: bool = True, show: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run a command; with `show` its output goes to the user instead of into the result."""
    try:
        return subprocess.run(command, input=stdin, check=check, text=True, capture_output=not show)
    except subprocess.CalledProcessError as error:
        if error.stderr:
            error.add_note(error.stderr)
        raise
