"""examples/unmodified-command: a directory of files, summed by busybox as it is."""

import hashlib
import json

import pytest
import yaml

from dev.workspaces.workspace import Workspace, reason_of

from .examples import EXAMPLES, apply, ask_redis, drain, run_to_end, start_broker

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

FILES: dict[str, str] = yaml.safe_load((EXAMPLES / "unmodified-command/files.yaml").read_text())[
    "data"
]


def test_each_file_is_summed_and_the_name_without_a_file_is_put_aside(workspace: Workspace) -> None:
    start_broker(workspace, "fine-redis/redis.yaml", workload="deployment/redis")
    apply(workspace, "unmodified-command/files.yaml")
    run_to_end(workspace, "unmodified-command/fill.yaml", job="fill-files")

    ended = drain(workspace, "unmodified-command/workqueuejob.yaml", "sums")

    assert reason_of(ended, "Complete") == "CompletedWithDeadLetters"
    assert ended["status"]["items"] == {
        "total": 7, "succeeded": 6, "deadLettered": 1, "discarded": 0, "remaining": 0,
        "attemptsFailed": 2, "accounting": "Counted",
    }  # fmt: skip
    sums = {f"{hashlib.sha256(text.encode()).hexdigest()}  {name}" for name, text in FILES.items()}
    logged = workspace.logs("sums")
    assert sums <= set(logged)
    assert "sha256sum: can't open 'no-such-file.txt': No such file or directory" in logged
    (letter,) = map(json.loads, ask_redis(workspace, "lrange", "files-failed", "0", "-1"))
    assert (letter["item"], letter["reason"], letter["attempts"]) == (
        "no-such-file.txt",
        "exit code 1",
        2,
    )
    assert letter["pod"].startswith("sums-")
