"""A WorkQueueJob gives its creator nothing that they could not do without it.

The table of what the policy asks is in `tests/crd/test_privileges.py`; here it is the installed
one, with Kubernetes' own roles and controllers.
"""

import json
import subprocess
from collections.abc import Mapping
from typing import Any

import pytest

from dev.environment import NAMESPACE, RELEASE, Cluster
from dev.workspaces.objects import a_login
from dev.workspaces.workspace import Manifest, Workspace, a_manifest, poll, reason_of

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

PASSWORD = "s3cret-and-safe"
WRITE = ("--verb=create,get,list,watch,patch,delete", "--resource=workqueuejobs.wqj.dev")
CREATE_JOBS = ("--verb=create", "--resource=jobs.batch")
GET_LOGIN = ("--verb=get", "--resource=secrets", "--resource-name=rabbitmq")


def a_user(workspace: Workspace) -> str:
    """Return the name of a user of this namespace alone."""
    return f"{workspace.namespace}-user"


def grant(workspace: Workspace, name: str, *rule: str) -> None:
    workspace.kubectl("create", "role", name, *rule)
    workspace.kubectl(
        "create", "rolebinding", name, f"--role={name}", f"--user={a_user(workspace)}"
    )


def as_user(
    workspace: Workspace, *arguments: str, manifest: Mapping[str, Any] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run kubectl as the namespace's user."""
    return workspace.cluster.kubectl(
        "-n", workspace.namespace, "--as", a_user(workspace), *arguments,
        stdin=json.dumps(manifest) if manifest else None,
        check=False,
    )  # fmt: skip


def create(workspace: Workspace, manifest: Manifest) -> str:
    """Create as the namespace's user; return what kubectl says, which is nothing if it is done."""
    return as_user(workspace, "create", "-f", "-", manifest=manifest).stderr


def the_login(workspace: Workspace) -> Manifest:
    return a_login("rabbitmq", workspace.queue, PASSWORD)


def a_run(workspace: Workspace, name: str = "run") -> Manifest:
    return a_manifest(
        workspace, name, rabbitmq={"credentialsSecretRef": {"name": "rabbitmq"}}, parallelism=2
    )


def test_user_is_told_right_by_right_what_is_missing_then_gets_a_run(workspace: Workspace) -> None:
    workspace.broker.add_user(workspace.queue, PASSWORD)
    workspace.publish(["apple", "pear"])
    workspace.apply(the_login(workspace))

    grant(workspace, "write", *WRITE)
    refused = poll(
        lambda: create(workspace, a_run(workspace)),
        lambda said: "cannot create resource" not in said,
        seconds=30,
    )
    assert f"spec.template: {a_user(workspace)} may not create Jobs" in refused
    assert "ask for the verb create on jobs.batch" in refused

    grant(workspace, "jobs", *CREATE_JOBS)
    refused = poll(
        lambda: create(workspace, a_run(workspace)),
        lambda said: "may not create Jobs" not in said,
        seconds=30,
    )
    assert f"spec.queue.rabbitmq.credentialsSecretRef: {a_user(workspace)}" in refused
    assert 'may not get Secret "rabbitmq"' in refused
    assert workspace.get("wqj")["items"] == []

    grant(workspace, "login", *GET_LOGIN)
    poll(lambda: create(workspace, a_run(workspace)), lambda said: said == "", seconds=30)
    ended = workspace.wait_for_end("run", seconds=60)
    assert reason_of(ended, "Complete") == "Drained", ended["status"]


def test_role_edit_is_enough_for_all_of_a_run(workspace: Workspace) -> None:
    workspace.broker.add_user(workspace.queue, PASSWORD)
    workspace.publish(["apple", "pear"])
    workspace.kubectl(
        "create", "rolebinding", "edit", "--clusterrole=edit", f"--user={a_user(workspace)}"
    )
    poll(
        lambda: create(workspace, the_login(workspace)),
        lambda said: "cannot create" not in said,
        seconds=30,
    )
    assert create(workspace, a_run(workspace)) == ""
    assert as_user(workspace, "scale", "wqj", "run", "--replicas=3").stderr == ""
    ended = workspace.wait_for_end("run", seconds=60)
    assert reason_of(ended, "Complete") == "Drained", ended["status"]
    assert ended["spec"]["parallelism"] == 3


def test_foreground_deletion_ends_without_any_right_to_create(workspace: Workspace) -> None:
    """The garbage collector takes a finalizer away, which is an update of the object."""
    workspace.broker.declare(workspace.queue)
    workspace.apply(the_login(workspace), a_run(workspace))
    grant(workspace, "write", *WRITE)
    deleted = poll(
        lambda: as_user(workspace, "delete", "wqj", "run", "--cascade=foreground"),
        lambda done: "cannot delete" not in done.stderr,
        seconds=60,
    )
    assert deleted.returncode == 0, deleted.stderr
    assert workspace.get("wqj")["items"] == []


def test_api_server_finds_no_mistake_in_the_policys_expressions(cluster: Cluster) -> None:
    policy = poll(
        lambda: cluster.get("validatingadmissionpolicy", f"{NAMESPACE}.{RELEASE}"),
        lambda found: "typeChecking" in (found.get("status") or {}),
        seconds=60,
    )
    assert policy["status"]["typeChecking"] == {}
