"""Operator and worker of different versions: the released worker runs under this operator's
settings, and this worker under those of the released operator."""

import json
import os
import subprocess
import sys
import tarfile
import tomllib
from dataclasses import asdict, fields, replace
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import pytest

from tests.builders import a_job, a_pod_metadata
from tests.contract.worker.bench import Bench
from tests.contract.worker.conftest import REAL, open_bench
from tests.contract.worker.test_injected_runtime import describe
from tests.contract.worker.test_worker_contract import eventually_left
from workqueuejob.cluster.trimming import trim_pod
from workqueuejob.contract import settings as names
from workqueuejob.contract.features import is_added
from workqueuejob.contract.probes import ProbeSettings
from workqueuejob.contract.report import ItemCounts, read_report
from workqueuejob.contract.retry import RetrySettings
from workqueuejob.contract.settings import WorkerSettings, write_settings
from workqueuejob.planning.observing.pod_reports import read_pod_report

ROOT = Path(__file__).parents[3]
RELEASES = tomllib.loads((ROOT / "releases.toml").read_text())
COMMAND = ("sh", "-c", 'test "$(cat)" != bad')
COUNTS = ItemCounts(succeeded=2, dead_lettered=1, attempts_failed=2)

WRITE = """
import json, sys
from workqueuejob.protocol import settings as s
from workqueuejob.protocol.retry import RetrySettings
told = json.load(sys.stdin)
source = {k: tuple(v) if isinstance(v, list) else v for k, v in told["source"].items()}
print(s.write_settings(s.WorkerSettings(
    source=getattr(s, told["kind"])(**source),
    retry=RetrySettings(**told["retry"]),
    termination_message_path=told["path"],
)))
"""
READ = """
import sys
from workqueuejob.protocol.report import read_report
found = read_report(sys.stdin.read())
print(found.counts.succeeded, found.counts.dead_lettered, found.counts.attempts_failed)
"""


@pytest.fixture(params=[kind for kind in REAL if kind.id in {"list", "classic", "kafka"}])
def bench(request: pytest.FixtureRequest) -> Bench:
    return cast("Bench", open_bench(cast("Any", request.param), request))


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source of version 0.1.0."""
    folder = tmp_path_factory.mktemp("released")
    archive = subprocess.run(
        ["git", "archive", RELEASES["0.1.0"]["commit"], "operator"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    with tarfile.open(fileobj=BytesIO(archive.stdout)) as files:
        files.extractall(folder, filter="data")
    return folder / "operator"


def test_released_worker_runs_under_this_operator(
    bench: Bench, released: Path, tmp_path: Path
) -> None:
    source, dead_letter, secrets = describe(bench)
    message = tmp_path / "message"
    message.touch()
    settings = WorkerSettings(
        source=source,
        retry=RetrySettings(2, 0, dead_letter=dead_letter),
        probes=(ProbeSettings("livenessProbe", port=80),),
        deadline_seconds=3600,
        termination_message_path=str(message),
    )
    written = write_settings(settings)
    bench.produce(b"good", b"bad", b"fine")
    work(released, {**written, **secrets})

    (letter,) = bench.dead_letters()
    assert (letter.body, letter.attempts) == (b"bad", 2)
    assert eventually_left(bench, 0)
    report = read_pod_report(trim_pod(a_pod(written, message.read_text())))
    assert report is not None
    assert (report.items.succeeded, report.items.dead_lettered) == (2, 1)
    assert report.lacks == ("deadline_seconds", "probes")


def test_this_worker_runs_under_the_released_operator(
    bench: Bench, released: Path, tmp_path: Path
) -> None:
    source, dead_letter, secrets = describe(bench)
    message = tmp_path / "message"
    message.touch()
    told = {
        "kind": type(source).__name__,
        "source": known_to_the_released(source),
        "retry": {"max_attempts": 2, "initial_delay_seconds": 0, "dead_letter": dead_letter},
        "path": str(message),
    }
    text = python(released, "-c", WRITE, environ={}, given=json.dumps(told))
    bench.produce(b"good", b"bad", b"fine")
    work(ROOT / "operator", {names.SETTINGS: text, **secrets})

    (letter,) = bench.dead_letters()
    assert (letter.body, letter.attempts) == (b"bad", 2)
    assert eventually_left(bench, 0)
    report = read_report(message.read_text())
    assert report is not None
    assert (replace(report.counts, released=0), report.lacks) == (COUNTS, None)
    assert python(released, "-c", READ, environ={}, given=message.read_text()).split() == [
        "2",
        "1",
        "2",
    ]


def known_to_the_released(source: Any) -> dict[str, Any]:
    """Return the settings of a source, without those that version 0.1.0 lacks."""
    later = {declared.name for declared in fields(source) if is_added(declared)}
    return {name: value for name, value in asdict(source).items() if name not in later}


def work(code: Path, environ: dict[str, str]) -> None:
    """Let a version's worker run the command until the queue is empty."""
    python(code, "-m", "workqueuejob.worker", "run", "--", *COMMAND, environ=environ)


def python(code: Path, *arguments: str, environ: dict[str, str], given: str = "") -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(code), **environ},
        input=given,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def a_pod(written: dict[str, str], message: str) -> dict[str, Any]:
    """Return an ended pod that got these settings and left this message."""
    env = [{"name": name, "value": value} for name, value in written.items()]
    state = {"terminated": {"exitCode": 0, "message": message}}
    return {
        "metadata": a_pod_metadata("u1", a_job()),
        "spec": {"containers": [{"name": "worker", "env": env}]},
        "status": {
            "phase": "Succeeded",
            "containerStatuses": [{"name": "worker", "state": state}],
        },
    }
