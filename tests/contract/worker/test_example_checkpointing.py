"""examples/checkpointing, without a cluster: its command and settings at a real Redis."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.builders import a_work_queue_job
from tests.contract.worker.conftest import open_bench
from tests.contract.worker.redis_bench import RedisListBench
from workqueuejob.brokers.worker_settings import read_settings
from workqueuejob.contract import exit_codes
from workqueuejob.contract.dead_letters import dead_key
from workqueuejob.contract.report import read_report
from workqueuejob.contract.settings import BROKER_URI, write_settings
from workqueuejob.planning.pods.worker_environment import build_worker_environment

pytestmark = pytest.mark.redis

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "examples" / "checkpointing"


def read(name: str) -> dict[str, Any]:
    (manifest,) = yaml.safe_load_all((EXAMPLE / name).read_text())
    found: dict[str, Any] = manifest
    return found


def test_command_goes_on_where_a_stopped_pod_left(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    bench = open_bench(RedisListBench, request)
    bench.produce(b"9", b"three")
    first = work(bench, tmp_path, until="9: step 2\n")
    assert first[0] == "9: begins after step 0"
    (saved,) = [line for line in first if line.startswith("9: saved ")]
    steps = int(saved.split()[2])
    assert 2 <= steps < 9
    assert saved == f"9: saved {steps} steps, with 25 s to do so"

    second = work(bench, tmp_path)
    assert second[0] == f"9: begins after step {steps}"
    assert [line for line in first + second if ": step " in line] == [
        f"9: step {number}" for number in range(1, 10)
    ]
    assert second[-1] == "9: done"
    ((body, reason),) = [(dead.body, dead.reason) for dead in bench.dead_letters()]
    assert (body, reason) == (b"three", "exit code 65")
    assert bench.count_left() == 0


def work(bench: RedisListBench, directory: Path, *, until: str | None = None) -> list[str]:
    """Run the worker, and stop it once its command has printed a line; return all lines."""
    message = directory / "message"
    message.write_text("")
    process = subprocess.Popen(
        [sys.executable, "-m", "workqueuejob.worker", "run", "--", *build_command(bench)],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT / "operator"),
            **build_environment(bench, message),
        },
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line.rstrip("\n"))
        if line == until:
            process.send_signal(signal.SIGTERM)
    code = process.wait(timeout=60)
    report = read_report(message.read_text())
    assert report is not None
    stopped, done = exit_codes.STOPPED_EARLY, exit_codes.DONE
    assert (code, report.counts.released) == ((stopped, 1) if until else (done, 0))
    return lines


def build_command(bench: RedisListBench) -> list[str]:
    """Return the example's command, at the bench's server and with short steps."""
    address = bench.server.connection
    (container,) = read("workqueuejob.yaml")["spec"]["template"]["spec"]["containers"]
    *shell, script = container["command"]
    assert "redis-cli -h redis " in script
    assert "sleep 1 " in script
    client = f"redis-cli -p {address.port} -n {address.database} "
    return [*shell, script.replace("redis-cli -h redis ", client).replace("sleep 1 ", "sleep 0.3 ")]


def build_environment(bench: RedisListBench, message: Path) -> dict[str, str]:
    """Return what the operator would write for the spec, with the broker of the bench."""
    spec = read("workqueuejob.yaml")["spec"]
    (container,) = spec["template"]["spec"]["containers"]
    rest = {name: value for name, value in spec.items() if name != "queue"}
    resource = a_work_queue_job(redis=spec["queue"]["redis"], **rest)
    written = {
        str(variable["name"]): str(variable["value"])
        for variable in build_worker_environment(resource, container)
        if "value" in variable
    }
    settings = read_settings(written)
    retry = replace(settings.retry, dead_letter=dead_key(bench.key))
    address = bench.server.connection
    return {
        BROKER_URI: f"redis://{address.host}:{address.port}/{address.database}",
        **write_settings(
            replace(
                settings,
                source=bench.source,
                retry=retry,
                idle_seconds=0.1,
                termination_message_path=str(message),
            )
        ),
    }
