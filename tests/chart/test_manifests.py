"""`deploy/manifests/` is the chart with its default values, for who has no Helm."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import yaml

from dev.environment import NAMESPACE, ROOT
from dev.sync import MANIFESTS, find_stale, render

if TYPE_CHECKING:
    from pathlib import Path

    from tests.chart.conftest import Helm, Manifest, Rendering


def build(kubectl: Path) -> list[Manifest]:
    command = [str(kubectl), "kustomize", str(MANIFESTS)]
    text = subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout
    return list(yaml.safe_load_all(text))


def key(manifest: Manifest) -> tuple[str, str]:
    return manifest["kind"], manifest["metadata"]["name"]


def test_derived_files_are_up_to_date(helm: Helm) -> None:
    stale = [str(path.relative_to(ROOT)) for path in find_stale(render(helm.program))]
    assert stale == [], "run make generate"


def test_kustomization_is_the_default_rendering_in_a_restricted_namespace(
    kubectl: Path, default: Rendering
) -> None:
    built = {key(manifest): manifest for manifest in build(kubectl)}
    namespace = built.pop(("Namespace", NAMESPACE))
    enforced = "pod-security.kubernetes.io/enforce"
    assert namespace["metadata"]["labels"][enforced] == "restricted"
    rendered = {key(manifest): manifest for manifest in default.manifests}
    assert set(built) == set(rendered)
    for name, manifest in built.items():
        assert manifest.get("spec") == rendered[name].get("spec")
        assert manifest.get("rules") == rendered[name].get("rules")


def test_nothing_claims_to_be_helms(kubectl: Path) -> None:
    for manifest in build(kubectl):
        metadata = manifest["metadata"]
        names = {**metadata.get("labels", {}), **metadata.get("annotations", {})}
        assert not [name for name in names if "helm" in name or "managed-by" in name]
