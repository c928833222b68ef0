"""The installed library carries its types: users' programs are checked against them."""

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LAPTOP = ROOT / "examples/python-worker/laptop.py"
PROGRAMS = (LAPTOP, ROOT / "examples/python-worker/program/factors.py")

FAULTY = """
from workqueuejob.worker import Worker

for item in Worker():
    with item:
        reveal_type(item.attempt)
        print(item.headers["to"], item.enqueued_at.isoformat())
        item.fail()
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python that has the package as pip installs it, and nothing else."""
    directory = tmp_path_factory.mktemp("typed")
    venv.create(directory / "venv", symlinks=True)
    (packages,) = directory.glob("venv/lib/python3*/site-packages")
    (packages / "workqueuejob").symlink_to(ROOT / "operator" / "workqueuejob")
    return directory


def check(environment: Path, *programs: Path) -> subprocess.CompletedProcess[str]:
    """Run mypy as a user does: elsewhere, without this project's settings."""
    python = environment / "venv" / "bin" / "python"
    options = ("--strict", "--no-color-output", "--python-executable", str(python))
    command = [sys.executable, "-m", "mypy", *options, *map(str, programs)]
    environ = {"PATH": os.environ["PATH"]}
    return subprocess.run(
        command, cwd=environment, env=environ, capture_output=True, text=True, check=False
    )


def test_examples_pass_the_strictest_check_and_mistakes_do_not(
    environment: Path,
) -> None:
    faulty = environment / "faulty.py"
    faulty.write_text(FAULTY)

    checked = check(environment, *PROGRAMS, faulty)

    lines = checked.stdout.splitlines()
    assert [line for line in lines if not line.startswith("faulty.py")] == [
        "Found 2 errors in 1 file (checked 3 source files)"
    ], checked.stdout
    assert 'Revealed type is "int"' in checked.stdout
    assert 'has no attribute "isoformat"' in checked.stdout
    assert 'Missing positional argument "reason"' in checked.stdout


def test_program_on_a_laptop_prints_what_the_readme_shows() -> None:
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "operator")}
    tried = subprocess.run(
        [sys.executable, str(LAPTOP)], env=environ, capture_output=True, text=True, check=True
    )

    assert f"```\n{tried.stdout}```\n" in (LAPTOP.parent / "README.md").read_text()
