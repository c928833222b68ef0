"""Helm, and what it makes of the chart as objects; nothing here reaches a cluster.

Helm is `$HELM`, or the one that `dev/cluster binaries` builds (once, in minutes).
"""

import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from dev.environment import CHART, NAMESPACE, RELEASE, ROOT
from dev.sync import KUBE_VERSION

Manifest = dict[str, Any]
Values = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Rendering:
    """The objects of one `helm template`, in its order."""

    manifests: tuple[Manifest, ...]

    def of_kind(self, kind: str) -> list[Manifest]:
        return [manifest for manifest in self.manifests if manifest["kind"] == kind]

    def one(self, kind: str) -> Manifest:
        (manifest,) = self.of_kind(kind)
        return manifest

    def kinds(self) -> set[str]:
        return {manifest["kind"] for manifest in self.manifests}

    def pod(self) -> Manifest:
        pod: Manifest = self.one("Deployment")["spec"]["template"]
        return pod

    def container(self) -> Manifest:
        container: Manifest
        (container,) = self.pod()["spec"]["containers"]
        return container

    def roles(self) -> Iterator[Manifest]:
        yield from self.of_kind("Role")
        yield from self.of_kind("ClusterRole")


@dataclass(frozen=True, slots=True)
class Helm:
    """The program, asked only for what needs no cluster."""

    program: Path

    def lint(self, values: Values) -> str:
        """Return what a strict lint says; raises if it finds anything to warn of."""
        return self._checked("lint", "--strict", CHART, values=values)

    def template(
        self,
        values: Values,
        chart: Path = CHART,
        *,
        release: str = RELEASE,
        namespace: str = NAMESPACE,
    ) -> Rendering:
        text = self._checked("template", release, chart, "-n", namespace, values=values)
        return Rendering(tuple(filter(None, yaml.safe_load_all(text))))

    def refusal(self, values: Values) -> str:
        """Return what a user reads whose values are refused."""
        done = self._run("template", RELEASE, CHART, "-n", NAMESPACE, values=values)
        assert done.returncode != 0, f"accepted: {values}"
        return done.stderr

    def _checked(self, *arguments: str | Path, values: Values) -> str:
        done = self._run(*arguments, values=values)
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    def _run(self, *arguments: str | Path, values: Values) -> subprocess.CompletedProcess[str]:
        command: list[str | Path] = [self.program, *arguments]
        command += ["--kube-version", KUBE_VERSION, "--values", "-"]
        text = yaml.safe_dump(dict(values))
        return subprocess.run(command, input=text, text=True, capture_output=True, check=False)


@pytest.fixture(scope="session")
def helm() -> Helm:
    program = os.environ.get("HELM")
    return Helm(Path(program) if program else _built("helm"))


@pytest.fixture(scope="session")
def default(helm: Helm) -> Rendering:
    return helm.template({})


@pytest.fixture(scope="session")
def full_values() -> Manifest:
    """Every switch on, and every value set to other than its default."""
    values: Manifest = yaml.safe_load((ROOT / "tests" / "chart" / "full.yaml").read_text())
    return values


@pytest.fixture(scope="session")
def full(helm: Helm, full_values: Manifest) -> Rendering:
    return helm.template(full_values)


@pytest.fixture(scope="session")
def kubectl() -> Path:
    program = os.environ.get("KUBECTL")
    return Path(program) if program else _built("kubectl")


def _built(name: str) -> Path:
    command = [str(ROOT / "dev" / "cluster"), "binaries"]
    done = subprocess.run(command, text=True, stdout=subprocess.PIPE, check=True)
    return Path(done.stdout.strip()) / name
