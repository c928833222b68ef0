"""A Secret is one of the WorkQueueJob's own namespace: no name leads elsewhere."""

import pytest

from .api_server import ApiServer, Refused
from .manifests import build_manifest
from .secret_references import SECRET_REFERENCES, naming_secret

pytestmark = pytest.mark.apiserver

ELSEWHERE = [
    "other/rabbitmq",
    "../../other/secrets/rabbitmq",
    "..",
    ".",
    "other.",
    "rabbitmq/",
    "rabbitmq?pretty=true",
    "rabbitmq#",
    "rabbit%2fmq",
    "other:rabbitmq",
    "rabbit mq",
    "rabbitmq\n",
    "rabbitmq\x00",
    "räbbitmq",
    "Rabbitmq",
    "-rabbitmq",
    "r" * 254,
    "",
]


@pytest.mark.parametrize("reference", SECRET_REFERENCES)
@pytest.mark.parametrize("name", ELSEWHERE, ids=repr)
def test_name_that_could_lead_elsewhere_is_refused(
    api_server: ApiServer, reference: str, name: str
) -> None:
    with pytest.raises(Refused) as refused:
        api_server.create(build_manifest(naming_secret(reference, name)), dry_run=True)
    assert f"spec.queue.{reference}.name" in {field for field, _ in refused.value.causes}


@pytest.mark.parametrize("reference", SECRET_REFERENCES)
def test_namespace_can_not_be_named(api_server: ApiServer, reference: str) -> None:
    named = naming_secret(reference, "rabbitmq", namespace="other")
    with pytest.raises(Refused, match=f"spec.queue.{reference}.namespace"):
        api_server.create(build_manifest(named), dry_run=True)
