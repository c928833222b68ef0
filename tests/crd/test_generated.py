import json

import yaml

from crds.generate import MANIFEST, render_crd
from workqueuejob.api.crd import build_crd


def test_committed_manifest_is_what_the_models_say() -> None:
    assert MANIFEST.read_text() == render_crd(), "run: python crds/generate.py"


def test_manifest_holds_the_definition_unchanged() -> None:
    assert yaml.safe_load(render_crd()) == build_crd()


def test_definition_can_be_applied_by_kubectl() -> None:
    """`kubectl apply` copies the object as JSON into an annotation, of at most 256 KiB."""
    copied = json.dumps(build_crd(), separators=(",", ":")).encode()
    assert len(copied) < 128 * 1024
