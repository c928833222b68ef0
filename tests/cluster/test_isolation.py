"""A WorkQueueJob reaches into no other namespace, and fits where only restricted pods may run."""

import pytest

from dev.environment import NAMESPACE, Cluster
from dev.workspaces.broker import Broker
from dev.workspaces.objects import a_login
from dev.workspaces.prepared import BROKER_NAMESPACE
from dev.workspaces.redis import Redis
from dev.workspaces.worker_jobs import a_worker_job, count_processed, ended_as
from dev.workspaces.workspace import Workspace, a_manifest, message_of, open_workspace, poll
from workqueuejob.planning.pods.injection import INIT_CONTAINER

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

PASSWORD = "s3cret-and-safe"
ENFORCE = "pod-security.kubernetes.io/enforce=restricted"
RESTRICTED_BY_ITSELF = {
    "securityContext": {
        "runAsNonRoot": True,
        "runAsUser": 65532,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
}
"""Of the container alone: what the pod says of all its containers would help the injected one."""


def test_secret_of_the_same_name_in_another_namespace_is_not_read(
    workspace: Workspace, cluster: Cluster, broker: Broker
) -> None:
    workspace.broker.add_user(workspace.queue, PASSWORD)
    workspace.publish(["apple"])
    manifest = a_manifest(workspace, "run", rabbitmq={"credentialsSecretRef": {"name": "rabbitmq"}})
    neighbour = open_workspace(cluster, broker)
    try:
        # The neighbour's run is measured with the right password, over a connection that is shared
        # by all who have the same.
        login = a_login("rabbitmq", workspace.queue, PASSWORD)
        neighbour.apply(login, {**manifest, "metadata": {"name": "theirs"}})
        neighbour.wait_for_reason("theirs", "QueueReachable", "Measured", seconds=60)

        workspace.apply(manifest)
        missing = workspace.wait_for_reason("run", "QueueReachable", "SecretNotFound", seconds=30)
        assert f"in namespace '{workspace.namespace}'" in message_of(missing, "QueueReachable")

        workspace.apply(a_login("rabbitmq", workspace.queue, "another"))
        workspace.wait_for_reason("run", "QueueReachable", "AuthenticationFailed", seconds=60)
    finally:
        neighbour.close()


def test_operator_satisfies_the_restricted_standard(cluster: Cluster) -> None:
    """The API server itself looks at the pods that run, when a namespace is to be labelled."""
    command = ("label", "namespace", "--overwrite", "--dry-run=server")
    done = cluster.kubectl(*command, NAMESPACE, ENFORCE)
    assert "violate" not in done.stderr, done.stderr
    # It does look: a broker that was not made for it is named.
    unfit = cluster.kubectl(*command, BROKER_NAMESPACE, ENFORCE)
    assert "violate" in unfit.stderr


def test_injected_worker_needs_no_help_to_run_in_a_restricted_namespace(
    workspace: Workspace, redis: Redis
) -> None:
    workspace.cluster.kubectl("label", "namespace", workspace.namespace, ENFORCE)
    redis.rpush(workspace.queue, "apple", "pear")
    workspace.apply(a_worker_job(workspace, "run", container=RESTRICTED_BY_ITSELF))
    ended = workspace.wait_for_end("run", seconds=90)
    assert ended_as(ended) == ("Complete", "Drained"), ended["status"]
    count_processed(workspace, "run", ["apple", "pear"])


def test_injected_container_is_none_of_those_that_a_restricted_namespace_refuses(
    workspace: Workspace, redis: Redis
) -> None:
    workspace.cluster.kubectl("label", "namespace", workspace.namespace, ENFORCE)
    redis.rpush(workspace.queue, "apple")
    workspace.apply(a_worker_job(workspace, "run"))
    refused = poll(lambda: _failed_creations(workspace), bool, seconds=60)
    assert 'container "worker"' in refused
    assert INIT_CONTAINER not in refused


def _failed_creations(workspace: Workspace) -> str:
    """Return what the Job controller says of pods that it could not create."""
    events = workspace.get("events", "--field-selector", "reason=FailedCreate")["items"]
    return " ".join(event["message"] for event in events)
