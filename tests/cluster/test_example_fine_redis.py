"""examples/fine-redis: nine fruits from a Redis list, by the documents' program and without it."""

import re
from pathlib import Path

import pytest

from dev import environment
from dev.workspaces.workspace import Workspace, reason_of

from .examples import (
    FRUITS,
    ask_redis,
    drain,
    logs_of_each_pod,
    run_to_end,
    start_broker,
    wait_until_complete,
)

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

HELD = re.compile(r"Working on (\w+)")
SESSION = re.compile(r"Worker with sessionID: [0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
DOCUMENTS_WORKER = Path(__file__).with_name("documents_worker.py")


@pytest.fixture
def filled(workspace: Workspace) -> Workspace:
    """The workspace with a Redis and nine fruits in it."""
    start_broker(workspace, "fine-redis/redis.yaml", workload="deployment/redis")
    run_to_end(workspace, "fine-redis/fill.yaml", job="fill-job2")
    assert ask_redis(workspace, "lrange", "job2", "0", "-1") == list(FRUITS)
    return workspace


@pytest.mark.nightly
def test_program_that_talks_to_redis_itself_drains_the_list(filled: Workspace) -> None:
    ended = drain(filled, "fine-redis/workqueuejob.yaml", "job-wq-2")

    assert reason_of(ended, "Complete") == "Drained"
    assert ended["status"]["progress"] == "9/9"
    assert ended["status"]["pods"] == {"active": 0, "succeeded": 2, "failed": 0}
    assert ask_redis(filled, "dbsize") == ["0"]
    logs = logs_of_each_pod(filled, "job-wq-2")
    assert len(logs) == 2
    for first, second, *between, last in logs:
        assert SESSION.fullmatch(first)
        # A pod may start only after its peer has taken everything.
        assert second in {"Initial queue state: empty=False", "Initial queue state: empty=True"}
        assert all(HELD.fullmatch(line) for line in between)
        assert last == "Queue empty, exiting"
    assert sorted(found_in(logs)) == list(FRUITS)


def test_command_that_knows_no_redis_drains_the_list(filled: Workspace) -> None:
    ended = drain(filled, "fine-redis/injected.yaml", "nine-fruits")

    assert reason_of(ended, "Complete") == "Drained"
    assert ended["status"]["progress"] == "9/9"
    assert ended["status"]["items"] == {
        "total": 9, "succeeded": 9, "deadLettered": 0, "discarded": 0, "remaining": 0,
        "attemptsFailed": 0, "accounting": "Counted",
    }  # fmt: skip
    logs = logs_of_each_pod(filled, "nine-fruits")
    assert sorted(found_in(logs)) == list(FRUITS)


def test_the_documents_own_files_drain_the_list(filled: Workspace) -> None:
    """As people have them: they wait for work in steps, and know nothing of our environment."""
    filled.apply(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "documents"},
            "data": {"worker.py": DOCUMENTS_WORKER.read_text()},
        },
        {
            "apiVersion": "wqj.dev/v1alpha1",
            "kind": "WorkQueueJob",
            "metadata": {"name": "documents"},
            "spec": {
                "queue": {"redis": {"host": "redis", "list": {"key": "job2"}}},
                "mode": "Fine",
                "parallelism": 2,
                "template": {
                    "metadata": {"name": "job-wq-2"},
                    "spec": {
                        "restartPolicy": "OnFailure",
                        "containers": [
                            {
                                "name": "c",
                                "image": environment.FINE_WORKER.local_reference,
                                "imagePullPolicy": "IfNotPresent",
                                "command": ["/venv/bin/python", "-u", "/documents/worker.py"],
                                "volumeMounts": [{"name": "files", "mountPath": "/documents"}],
                            }
                        ],
                        "volumes": [{"name": "files", "configMap": {"name": "documents"}}],
                    },
                },
            },
        },
    )

    ended = wait_until_complete(filled, "documents")

    assert ended["status"]["progress"] == "9/9"
    logs = logs_of_each_pod(filled, "documents")
    assert sorted(found_in(logs)) == list(FRUITS)
    assert all(lines[-1] == "Queue empty, exiting" for lines in logs)
    # The peer of whoever has the last item waits for it in vain.
    assert any("Waiting for work" in lines for lines in logs)


def found_in(logs: list[list[str]]) -> list[str]:
    """Return the items that were worked on."""
    return [found[1] for lines in logs for line in lines if (found := HELD.fullmatch(line))]
