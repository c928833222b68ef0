"""The worker's image holds what a worker imports, and nothing of the operator."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OPERATORS = ("api", "cli", "cluster", "controller", "leadership", "measuring", "planning")


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """Return a copy of the installed package, without the operator's modules."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "operator" / "workqueuejob", tmp_path / "workqueuejob", ignore=ignored)
    command = [sys.executable, "-m", "dev.worker.own_modules", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True)
    return tmp_path


def test_nothing_of_the_operator_is_left(packages: Path) -> None:
    left = [
        path for folder in OPERATORS for path in (packages / "workqueuejob" / folder).rglob("*.py")
    ]
    assert left == []
    assert [*(packages / "workqueuejob" / "brokers").rglob("probe.py")] == []


def test_what_a_worker_imports_is_left(packages: Path) -> None:
    imports = "import workqueuejob.worker.main, workqueuejob.worker.memory"
    rooms = (
        "from workqueuejob.brokers.registry import ROOMS;"
        "[(room.settings, room.connecting, room.broker) for room in ROOMS]"
    )
    isolated = f"import sys; sys.path.insert(0, {str(packages)!r}); {imports}; {rooms}"
    subprocess.run([sys.executable, "-c", isolated], cwd=packages, check=True)
