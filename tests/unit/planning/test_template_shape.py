"""What of a template must be right before anything can be added to it."""

from typing import Any

import pytest

from tests.builders import a_template, a_work_queue_job, a_worker_spec
from workqueuejob.errors import CredentialsNotURLSafe, TemplateInvalid
from workqueuejob.planning.actions import CreateWave
from workqueuejob.planning.pods.environment import check_credentials
from workqueuejob.planning.pods.job_manifest import WorkerImage, build_job

POD = "spec.template.spec"
FIRST = f"{POD}.containers[0]"
COMMAND = {"command": ["wc"]}


def build(template: dict[str, Any], **spec: Any) -> dict[str, Any]:
    resource = a_work_queue_job(template=template, **spec)
    return build_job(resource, CreateWave(1, 1, 1), WorkerImage("worker"))


def injected() -> dict[str, Any]:
    return a_worker_spec() | {"worker": {"source": "Injected"}}


def a_container(**fields: Any) -> dict[str, Any]:
    template = a_template()
    template["spec"]["containers"][0] |= {**COMMAND, **fields}
    return template


@pytest.mark.parametrize("spec", [{}, injected()], ids=["foreign", "injected"])
@pytest.mark.parametrize(
    ("template", "field"),
    [
        (a_container(env="A=b"), f"{FIRST}.env must be a list"),
        (a_container(env={"A": "b"}), f"{FIRST}.env must be a list"),
        (a_container(env=["A"]), f"{FIRST}.env must be a list of objects"),
        (a_container(env=[None]), f"{FIRST}.env must be a list of objects"),
        (a_container(env=[{"value": "b"}]), f"{FIRST}.env[0].name must be a string"),
        (a_container(env=[{"name": "A"}, {"name": []}]), f"{FIRST}.env[1].name must be"),
        (a_container(args="abc"), f"{FIRST}.args must be a list"),
        (a_container(args=["-n", 1]), f"{FIRST}.args must be a list of strings"),
        (a_container(volumeMounts={"a": 1}), f"{FIRST}.volumeMounts must be a list"),
        (a_container(resources="much"), f"{FIRST}.resources must be an object"),
        (a_container(resources={"limits": []}), f"{FIRST}.resources.limits must be an object"),
        (a_template(initContainers="a"), f"{POD}.initContainers must be a list"),
        (a_template(initContainers=["a"]), f"{POD}.initContainers must be a list of objects"),
        (
            a_template(initContainers=[{"env": [{}]}]),
            f"{POD}.initContainers[0].env[0].name must be a string",
        ),
        (a_template(volumes=5), f"{POD}.volumes must be a list"),
        (a_template(volumes=["data"]), f"{POD}.volumes must be a list of objects"),
        (a_template(securityContext="none"), f"{POD}.securityContext must be an object"),
    ],
    ids=str,
)
def test_what_can_not_be_built_upon_is_named(
    template: dict[str, Any], field: str, spec: dict[str, Any]
) -> None:
    template["spec"]["containers"][0] |= COMMAND
    with pytest.raises(TemplateInvalid) as refused:
        build(template, **spec)
    assert field in str(refused.value)


@pytest.mark.parametrize("spec", [{}, injected()], ids=["foreign", "injected"])
def test_null_is_absence(spec: dict[str, Any]) -> None:
    nothing = {"env": None, "args": None, "volumeMounts": None, "resources": None}
    template = a_container(**nothing)
    template["spec"] |= {"volumes": None, "initContainers": None, "securityContext": None}
    assert build(template, **spec)["spec"]["template"]["spec"]["containers"][0]["env"]


@pytest.mark.parametrize("env", ["A=b", ["A"], [{}], {"name": "BROKER_URL"}, 7])
def test_credentials_can_be_judged_whatever_the_template_is(env: object) -> None:
    login = {"credentials_secret_ref": {"name": "mq"}}
    resource = a_work_queue_job(template=a_container(env=env), rabbitmq=login)
    check_credentials(resource.spec, {"mq": {"username": b"guest", "password": b"guest"}})
    with pytest.raises(CredentialsNotURLSafe):
        check_credentials(resource.spec, {"mq": {"username": b"guest", "password": b"a/b"}})
