"""Two hundred manifests that nobody should write: what the API server says of each.

What it takes is run by an operator in `tests/cluster/test_bad_input.py`.
"""

import json
from pathlib import Path

import pytest

from workqueuejob.api import WorkQueueJobSpec
from workqueuejob.cluster.decoding import cut

from .accepted_rows import ACCEPTED_ODD
from .api_server import ApiServer
from .api_server import Refused as Refusal
from .manifests import build_manifest
from .odd import Accepted, Refused, changed, write
from .refused_rows import REFUSED_ODD, REFUSED_TEXTS

pytestmark = pytest.mark.apiserver


@pytest.mark.parametrize("odd", REFUSED_ODD, ids=[odd.name for odd in REFUSED_ODD])
def test_odd_manifest_is_refused_by_the_field_that_is_wrong(
    api_server: ApiServer, odd: Refused
) -> None:
    with pytest.raises(Refusal) as refused:
        api_server.create(changed(build_manifest(), odd.changes), dry_run=True)

    found = [message for where, message in refused.value.causes if where == odd.field]
    # What is wrong with the object as a whole is told in a message without causes.
    said = found or [text for text in [str(refused.value)] if odd.field in text]
    assert any(odd.words in message for message in said), (refused.value.causes, str(refused.value))


@pytest.mark.parametrize(
    ("text", "words"), [row[1:] for row in REFUSED_TEXTS], ids=[row[0] for row in REFUSED_TEXTS]
)
def test_text_that_is_no_manifest_is_refused(
    api_server: ApiServer, tmp_path: Path, text: bytes, words: str
) -> None:
    assert words in api_server.try_text(text, tmp_path / "manifest.json")


@pytest.mark.parametrize("odd", ACCEPTED_ODD, ids=str)
def test_odd_manifest_that_is_taken_can_be_read_back(
    api_server: ApiServer, tmp_path: Path, odd: Accepted
) -> None:
    manifest = changed(build_manifest(), odd.changed_at({"rabbitmq": "mq", "redis": "redis"}))

    answer = api_server.try_text(write(manifest).encode(), tmp_path / "manifest.json")

    WorkQueueJobSpec.from_manifest(json.loads(cut(answer))["spec"])


UNKNOWN = [
    ("spec.completions", 8),
    ("spec.queue.rabbitmq.password", "s3cret"),
    ("spec.queue.sqs", {"url": "t"}),
    ("spec.queue.rabbitmq.vHost", "/"),
    ("extra", ["top", "level"]),
]


@pytest.mark.parametrize(("path", "value"), UNKNOWN)
def test_unknown_field_is_refused_and_without_validation_it_is_dropped(
    api_server: ApiServer, path: str, value: object
) -> None:
    manifest = changed(build_manifest(), ((path, value),))
    with pytest.raises(Refusal, match=f'unknown field "{path}"'):
        api_server.create(manifest, dry_run=True)

    created = api_server.create(manifest, dry_run=True, validation="Ignore")

    known = api_server.create(build_manifest(), dry_run=True)
    assert created["spec"] == known["spec"]
    assert "extra" not in created


def test_kubectl_refuses_an_unknown_field_by_itself(api_server: ApiServer, tmp_path: Path) -> None:
    manifest = changed(build_manifest(), (("spec.completion", 8),))
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps(manifest))

    with pytest.raises(AssertionError, match=r'unknown field "spec.completion"'):
        api_server.kubectl("create", "--dry-run=server", "-f", str(path))


def test_there_are_a_hundred_and_no_two_are_the_same() -> None:
    names = [odd.name for odd in REFUSED_ODD] + [odd.name for odd in ACCEPTED_ODD]
    assert len(set(names)) == len(names) >= 100
