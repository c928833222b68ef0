"""What the chart's admission policy asks of who writes a WorkQueueJob, by a real authorizer."""

import dataclasses
import os
import subprocess
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client, config

from dev.environment import CHART, NAMESPACE, RELEASE
from dev.sync import KUBE_VERSION
from workqueuejob.names import GROUP, PLURAL

from .api_server import ApiServer, Create, Refused
from .manifests import build_manifest, merged, rabbitmq, spec
from .secret_references import SECRET_REFERENCES, naming_secret
from .waiting import wait_for

pytestmark = pytest.mark.apiserver

POLICY = f"{NAMESPACE}.{RELEASE}"
OPERATOR = f"system:serviceaccount:{NAMESPACE}:{RELEASE}"
GARBAGE_COLLECTOR = "system:serviceaccount:kube-system:generic-garbage-collector"

WRITE = {"apiGroups": [GROUP], "resources": [PLURAL], "verbs": ["create", "patch", "delete"]}
WRITE_STATUS = {"apiGroups": [GROUP], "resources": [f"{PLURAL}/status"], "verbs": ["patch"]}
CREATE_JOBS = {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["create"]}

Rule = Mapping[str, Any]
LogIn = Callable[..., ApiServer]
"""Takes rules, and returns the API server as a new user sees it who has them and no others."""


def get_secret(name: str) -> Rule:
    return {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"], "resourceNames": [name]}


def as_user(server: ApiServer, name: str) -> ApiServer:
    api_client = config.new_client_from_config(  # type: ignore[no-untyped-call]  # it has no annotations
        str(server.kubeconfig)
    )
    api_client.set_default_header("Impersonate-User", name)
    return dataclasses.replace(server, objects=client.CustomObjectsApi(api_client))


def grant(server: ApiServer, user: str, *rules: Rule) -> None:
    """Give a user rights in the namespace, and wait until the API server heeds them."""
    api_client = server.objects.api_client
    # Any: the generated signatures don't know dicts.
    rights: Any = client.RbacAuthorizationV1Api(api_client)
    reviews: Any = client.AuthorizationV1Api(api_client)
    name = f"right-{uuid.uuid4().hex[:8]}"
    rights.create_namespaced_role("default", {"metadata": {"name": name}, "rules": list(rules)})
    subject = {"kind": "User", "name": user, "apiGroup": "rbac.authorization.k8s.io"}
    reference = {"kind": "Role", "name": name, "apiGroup": "rbac.authorization.k8s.io"}
    binding = {"metadata": {"name": name}, "subjects": [subject], "roleRef": reference}
    rights.create_namespaced_role_binding("default", binding)
    rule = rules[-1]
    resource, _, subresource = rule["resources"][0].partition("/")
    asked = {
        "namespace": "default", "verb": rule["verbs"][0], "group": rule["apiGroups"][0],
        "resource": resource, "subresource": subresource,
        "name": rule.get("resourceNames", [""])[0],
    }  # fmt: skip
    review = {"spec": {"user": user, "resourceAttributes": asked}}
    wait_for(
        lambda: reviews.create_subject_access_review(review).status.allowed, seconds=30, what=name
    )


@pytest.fixture
def log_in(api_server: ApiServer, policy: None) -> LogIn:
    def log_in_with(*rules: Rule) -> ApiServer:
        name = f"user-{uuid.uuid4().hex[:8]}"
        grant(api_server, name, *rules)
        return as_user(api_server, name)

    return log_in_with


@pytest.fixture(scope="module")
def policy(api_server: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Install the chart's policy, and wait until the API server heeds it."""
    rendered = tmp_path_factory.mktemp("policy") / "policy.yaml"
    rendered.write_text(_render_policy(api_server.kubectl_path.with_name("helm")))
    api_server.kubectl("apply", "-f", str(rendered))
    stranger = as_user(api_server, "stranger")
    grant(api_server, "stranger", WRITE)
    wait_for(lambda: _is_refused(stranger), seconds=30, what="the policy")
    yield
    api_server.kubectl("delete", "-f", str(rendered))


def _render_policy(helm: Path) -> str:
    program = os.environ.get("HELM") or str(helm)
    command = [program, "template", RELEASE, str(CHART), "--namespace", NAMESPACE]
    command += ["--kube-version", KUBE_VERSION]
    command += ["--show-only", "templates/validatingadmissionpolicy.yaml"]
    return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout


def _is_refused(server: ApiServer) -> bool:
    try:
        server.create(build_manifest(), dry_run=True)
    except Refused:
        return True
    return False


def test_creator_must_be_allowed_to_create_jobs(log_in: LogIn) -> None:
    with pytest.raises(Refused) as refused:
        log_in(WRITE).create(build_manifest(), dry_run=True)
    words = str(refused.value)
    assert f"'{POLICY}' denied request: spec.template: user-" in words
    assert "may not create Jobs in namespace default" in words
    assert "ask for the verb create on jobs.batch" in words

    log_in(WRITE, CREATE_JOBS).create(build_manifest(), dry_run=True)


@pytest.mark.parametrize("reference", SECRET_REFERENCES)
def test_creator_must_be_allowed_to_get_every_secret_that_the_queue_names(
    log_in: LogIn, reference: str
) -> None:
    manifest = build_manifest(naming_secret(reference, "prod"))

    with pytest.raises(Refused) as refused:
        log_in(WRITE, CREATE_JOBS, get_secret("test")).create(manifest, dry_run=True)
    words = str(refused.value)
    assert f"denied request: spec.queue.{reference}: user-" in words
    assert 'may not get Secret "prod" in namespace default' in words
    assert "ask for the verb get on it, or name a Secret that you may get" in words

    log_in(WRITE, CREATE_JOBS, get_secret("prod")).create(manifest, dry_run=True)


def test_all_secrets_at_once_are_within_the_cost_limit(log_in: LogIn) -> None:
    secrets = ("login", "ca", "pair")
    tls = {"caSecretRef": {"name": "ca"}, "clientCertificateSecretRef": {"name": "pair"}}
    queue = rabbitmq(credentialsSecretRef={"name": "login"}, tls=tls)
    filler = {"annotations": {"x": "y" * 200_000}}
    large = merged(queue, {"spec": {"template": {"metadata": filler}}})
    user = log_in(WRITE, CREATE_JOBS, *map(get_secret, secrets))

    name = user.create(build_manifest(large))["metadata"]["name"]

    changed = {"template": {"metadata": {"annotations": {"x": "z" * 200_000}}}}
    user.patch(name, {"spec": {"queue": {"rabbitmq": {"host": "mq2"}}, **changed}})
    user.delete(name)


@pytest.mark.parametrize(
    "change",
    [
        rabbitmq(host="attacker.example"),
        rabbitmq(port=15671),
        rabbitmq(management={"url": "https://attacker.example"}),
        rabbitmq(credentialsSecretRef={"passwordKey": "other"}),
        rabbitmq(credentialsSecretRef={"name": "other"}),
        rabbitmq(tls={"verification": "None"}),
    ],
    ids=["host", "port", "management", "key", "Secret", "verification"],
)
def test_secret_goes_nowhere_new_by_a_change_of_who_may_not_get_it(
    log_in: LogIn, create: Create, change: dict[str, Any]
) -> None:
    name = create(rabbitmq(credentialsSecretRef={"name": "prod"}, tls={}))
    with pytest.raises(Refused, match=r"spec\.queue\.rabbitmq\.credentialsSecretRef: user-"):
        log_in(WRITE, CREATE_JOBS).patch(name, change)


def test_change_beside_the_queue_asks_for_jobs_alone(log_in: LogIn, create: Create) -> None:
    name = create(rabbitmq(credentialsSecretRef={"name": "prod"}))
    log_in(WRITE, CREATE_JOBS).patch(name, spec(parallelism=2))
    with pytest.raises(Refused, match=r"spec\.template: user-.* may not create Jobs"):
        log_in(WRITE, get_secret("prod")).patch(name, spec(parallelism=3))


def test_labels_finalizers_and_deletion_ask_for_nothing(
    api_server: ApiServer, log_in: LogIn
) -> None:
    user = log_in(WRITE)
    manifest = build_manifest(rabbitmq(credentialsSecretRef={"name": "prod"}))
    manifest["metadata"] = {"generateName": "fruits-", "finalizers": ["foregroundDeletion"]}
    name = api_server.create(manifest)["metadata"]["name"]
    user.patch(name, {"metadata": {"labels": {"team": "queues"}}})
    user.delete(name)
    as_user(api_server, GARBAGE_COLLECTOR).patch(name, {"metadata": {"finalizers": None}})
    with pytest.raises(client.ApiException, match="Not Found"):
        api_server.delete(name)


def test_operator_writes_status_with_neither_right(
    api_server: ApiServer, create: Create, policy: None
) -> None:
    name = create(rabbitmq(credentialsSecretRef={"name": "prod"}))
    grant(api_server, OPERATOR, WRITE_STATUS)
    as_user(api_server, OPERATOR).patch_status(name, {"progress": "1/2"})
