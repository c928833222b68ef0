"""examples/command-with-headers, without a cluster: its messages, its command and its settings."""

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml

from tests.builders import a_work_queue_job
from tests.contract.worker.conftest import open_bench
from tests.contract.worker.rabbitmq_bench import ClassicBench
from workqueuejob.brokers.rabbitmq.settings import RabbitMQSource
from workqueuejob.brokers.worker_settings import read_settings
from workqueuejob.contract import settings as names
from workqueuejob.contract.settings import write_settings
from workqueuejob.planning.pods.worker_environment import build_worker_environment

pytestmark = pytest.mark.rabbitmq

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "examples" / "command-with-headers"
URL = "amqp://guest:guest@rabbitmq-service:5672"


def test_command_prints_what_the_readme_shows(request: pytest.FixtureRequest) -> None:
    bench = open_bench(ClassicBench, request)
    fill(bench)
    (manifest,) = yaml.safe_load_all((EXAMPLE / "workqueuejob.yaml").read_text())
    container = container_of(manifest)
    done = subprocess.run(
        [sys.executable, "-m", "workqueuejob.worker", "run", "--", *container["command"]],
        env={
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": str(ROOT / "operator"),
            "TRACEPARENT": "the worker's own",
            **build_environment(manifest["spec"], container, bench),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.returncode == 0, done.stderr
    printed = [line for line in done.stderr.splitlines() if not line.startswith("wqj-worker:")]
    assert [*done.stdout.splitlines(), *printed] == read_shown()
    ((properties, body),) = bench.peek("letters.failed")
    assert (body, properties.content_type) == (b"\x89PNG", "image/png")
    assert properties.headers["to"] == ["dan"]
    assert properties.headers["x-wqj-dead-letter-reason"] == "exit code 1"


def fill(bench: ClassicBench) -> None:
    """Run the program of the Job that fills the queue."""
    (job,) = yaml.safe_load_all((EXAMPLE / "fill.yaml").read_text())
    _, option, program = container_of(job)["command"]
    there = bench.settings()
    username, password, virtual_host = (
        quote(part, safe="") for part in (there.username, there.password, there.virtual_host)
    )
    url = f"amqp://{username}:{password}@{there.host}:{there.port}/{virtual_host}"
    assert URL in program
    subprocess.run([sys.executable, option, program.replace(URL, url)], check=True, timeout=60)


def build_environment(
    spec: dict[str, Any], container: dict[str, Any], bench: ClassicBench
) -> dict[str, str]:
    """Return what the operator would write for the spec, with the broker of the bench."""
    rest = {name: value for name, value in spec.items() if name != "queue"}
    resource = a_work_queue_job(rabbitmq=spec["queue"]["rabbitmq"], **rest)
    written = {
        str(variable["name"]): str(variable["value"])
        for variable in build_worker_environment(resource, container)
        if "value" in variable
    }
    settings, there = read_settings(written), bench.settings()
    assert isinstance(settings.source, RabbitMQSource)
    source = replace(
        settings.source, host=there.host, port=there.port, virtual_host=there.virtual_host
    )
    secrets = {names.BROKER_USERNAME: there.username, names.BROKER_PASSWORD: there.password}
    return {**write_settings(replace(settings, source=source)), **secrets}


def container_of(manifest: dict[str, Any]) -> dict[str, Any]:
    template = manifest["spec"]["template"]
    found: dict[str, Any]
    (found,) = template["spec"]["containers"]
    return found


def read_shown() -> list[str]:
    """Return the output that the README shows."""
    text = (EXAMPLE / "README.md").read_text()
    (block,) = re.findall(r"^```\n(sent .*?)^```$", text, re.MULTILINE | re.DOTALL)
    lines: list[str] = block.splitlines()
    return lines
