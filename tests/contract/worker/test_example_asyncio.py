"""examples/asyncio-worker, without a cluster: its program and settings at a real Redis."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.contract.worker.conftest import open_bench
from tests.contract.worker.redis_bench import RedisListBench
from workqueuejob.contract.report import read_report
from workqueuejob.contract.retry import RetrySettings
from workqueuejob.contract.settings import BROKER_URI, WorkerSettings, write_settings

pytestmark = pytest.mark.redis

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "examples" / "asyncio-worker"


def read(name: str) -> dict[str, Any]:
    (manifest,) = yaml.safe_load_all((EXAMPLE / name).read_text())
    found: dict[str, Any] = manifest
    return found


def test_program_looks_at_eight_hosts_at_once(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    bench = open_bench(RedisListBench, request)
    (container,) = read("fill.yaml")["spec"]["template"]["spec"]["containers"]
    hosts = container["args"][2:]
    bench.produce(*[host.encode() for host in hosts])
    program = tmp_path / "look.py"
    program.write_text(read("program.yaml")["data"]["look.py"])
    message = tmp_path / "message"
    message.touch()
    spec = read("workqueuejob.yaml")["spec"]
    settings = WorkerSettings(
        source=bench.source,
        retry=RetrySettings(max_attempts=spec["retry"]["maxAttempts"], dead_letter="dead"),
        concurrency=spec["worker"]["concurrency"],
        item_timeout_seconds=spec["worker"]["itemTimeoutSeconds"],
        idle_seconds=0.1,
        termination_message_path=str(message),
    )
    address = bench.server.connection
    lines: list[str] = []
    printed_at: list[float] = []
    with subprocess.Popen(
        [sys.executable, str(program)],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT / "operator"),
            BROKER_URI: f"redis://{address.host}:{address.port}/{address.database}",
            **write_settings(settings),
        },
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line.rstrip())
            printed_at.append(time.monotonic())
    assert process.returncode == 0
    assert sorted(lines) == [f"{host} is there" for host in sorted(hosts[:-1])]
    report = read_report(message.read_text())
    assert report is not None
    assert (report.counts.succeeded, report.counts.dead_lettered) == (12, 1)
    # One after the other would take eleven seconds after the first.
    assert printed_at[-1] - printed_at[0] < 10
