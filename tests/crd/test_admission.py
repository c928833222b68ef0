"""What the API server takes and refuses; a refusal names the field and says what to do."""

import pytest

from workqueuejob.api import WorkQueueJobSpec
from workqueuejob.api.crd import build_crd

from .api_server import ApiServer, Refused
from .manifests import Manifest, build_manifest, merged, rabbitmq, redis, spec, worked
from .rows import ACCEPTED, REFUSED, UNKNOWN, URI
from .worker_rows import containers, injected

pytestmark = pytest.mark.apiserver


@pytest.mark.parametrize("changes", [row[1] for row in ACCEPTED], ids=[row[0] for row in ACCEPTED])
def test_api_server_takes(api_server: ApiServer, changes: Manifest) -> None:
    manifest = build_manifest(changes)

    created = api_server.create(manifest, dry_run=True)

    # Nothing is pruned or changed; only defaults are added.
    assert merged(created, manifest) == created
    read = WorkQueueJobSpec.from_manifest(created["spec"]).to_manifest()
    assert merged(read, created["spec"]) == read


@pytest.mark.parametrize(
    ("changes", "field", "words"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_api_server_refuses(
    api_server: ApiServer, changes: Manifest, field: str, words: str
) -> None:
    with pytest.raises(Refused) as refused:
        api_server.create(build_manifest(changes), dry_run=True)

    messages = [message for where, message in refused.value.causes if where == field]
    assert any(words in message for message in messages), refused.value.causes


def test_every_rule_is_broken_by_some_row(api_server: ApiServer) -> None:
    seen = ""
    for _, changes, _, _ in REFUSED:
        with pytest.raises(Refused) as refused:
            api_server.create(build_manifest(changes), dry_run=True)
        seen += str(refused.value)

    messages = {rule["message"] for rule in rules_in(build_crd()) if "oldSelf" not in rule["rule"]}
    assert len(messages) > 10
    assert {message for message in messages if message not in seen} == set()


def rules_in(node: object) -> list[dict[str, str]]:
    if isinstance(node, list):
        return [rule for item in node for rule in rules_in(item)]
    if isinstance(node, dict):
        rules: list[dict[str, str]] = node.get("x-kubernetes-validations", [])
        return rules + [rule for below in node.values() for rule in rules_in(below)]
    return []


@pytest.mark.parametrize(
    ("changes", "field"), [row[1:] for row in UNKNOWN], ids=[row[0] for row in UNKNOWN]
)
def test_api_server_knows_no(api_server: ApiServer, changes: Manifest, field: str) -> None:
    with pytest.raises(Refused, match=f'unknown field "{field}"'):
        api_server.create(build_manifest(changes), dry_run=True)


def test_name_that_the_api_server_generates_is_checked_too(api_server: ApiServer) -> None:
    manifest = build_manifest({"metadata": {"name": None, "generateName": "a" * 36}})

    with pytest.raises(Refused, match=r"metadata\.name must be a DNS label of at most 40"):
        api_server.create(manifest, dry_run=True)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param(rabbitmq(**URI, port=1), id="a port beside a URI"),
        pytest.param(redis(host=None), id="Redis nowhere"),
        pytest.param(redis({}), id="neither list nor stream"),
        pytest.param(spec(mode="Fine", itemsPerPod=2), id="items per pod in mode Fine"),
        pytest.param(worked(retry=None), id="items that vanish unasked"),
        pytest.param(worked(template=containers(None, None)), id="one of several containers"),
        pytest.param(
            worked(worker=injected("x"), template=containers(None)),
            id="a container that is not there",
        ),
        pytest.param(
            worked(retry={"deadLetter": {"name": "job1"}}), id="its own dead-letter queue"
        ),
    ],
)
def test_only_the_rule_that_was_broken_is_reported(
    api_server: ApiServer, changes: Manifest
) -> None:
    with pytest.raises(Refused) as refused:
        api_server.create(build_manifest(changes), dry_run=True)

    assert len(refused.value.causes) == 1, refused.value.causes


def test_defaults_are_filled_in(api_server: ApiServer) -> None:
    references = rabbitmq(
        credentialsSecretRef={"name": "a"},
        tls={"caSecretRef": {"name": "b"}, "clientCertificateSecretRef": {"name": "c"}},
    )

    created = api_server.create(build_manifest(references), dry_run=True)

    assert created["spec"] == {
        "queue": {
            "rabbitmq": {
                "host": "mq",
                "queue": "job1",
                "authMechanism": "PLAIN",
                "credentialsSecretRef": {
                    "name": "a",
                    "usernameKey": "username",
                    "passwordKey": "password",
                },
                "tls": {
                    "verification": "Full",
                    "caSecretRef": {"name": "b", "key": "ca.crt"},
                    "clientCertificateSecretRef": {
                        "name": "c",
                        "certificateKey": "tls.crt",
                        "privateKeyKey": "tls.key",
                    },
                },
            }
        },
        "mode": "Coarse",
        "runPolicy": "UntilDrained",
        "emptyStart": "Complete",
        "drainedAfterSeconds": 5,
        "parallelism": 1,
        "suspend": False,
        "backoffLimit": 6,
        "successfulJobsHistoryLimit": 3,
        "failedJobsHistoryLimit": 1,
        "template": {"spec": {"containers": [{"name": "worker", "image": "job-wq-1"}]}},
    }


def test_defaults_of_redis_and_of_the_worker_are_filled_in(api_server: ApiServer) -> None:
    queue = redis(credentialsSecretRef={"name": "a"}, tls={})
    changes = worked(queue, retry={}, failurePolicy={"maxDeadLettered": 0})

    created = api_server.create(build_manifest(changes), dry_run=True)["spec"]

    assert created["queue"]["redis"] == {
        "host": "redis",
        "list": {"key": "job2"},
        "leaseSeconds": 30,
        "credentialsSecretRef": {"name": "a", "passwordKey": "password"},
        "tls": {"verification": "Full"},
    }
    assert created["worker"] == {"source": "Injected", "prefixOutput": False}
    assert created["retry"] == {
        "maxAttempts": 3,
        "initialDelaySeconds": 1,
        "maxDelaySeconds": 300,
        "onExhausted": "DeadLetter",
    }
    assert created["failurePolicy"] == {"maxDeadLettered": 0, "minSettledItems": 20}


def test_default_of_a_delivery_is_stdin(api_server: ApiServer) -> None:
    created = api_server.create(build_manifest(worked(worker={"delivery": {}})), dry_run=True)

    assert created["spec"]["worker"]["delivery"] == {"type": "Stdin", "variable": "ITEM"}
