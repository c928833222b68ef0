#!/usr/bin/env python3
"""Make the virtual environment that everything but the local cluster runs in.

Standard library only, for it runs first. Raises what the tools raise, with their words shown.
"""

import importlib.util
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "deploy" / "local"))

from wqjlocal.console import step  # noqa: E402 - the path comes first
from wqjlocal.packages import install_packages  # noqa: E402

LOG = Path("/tmp/workqueuejob-packages.log")  # noqa: S108 - a log, on any machine


def main(venv: Path) -> None:
    """Make or renew the environment at `venv` from the lock file."""
    if importlib.util.find_spec("ensurepip") is None:
        install_packages(("python3-venv",), log=LOG)
    python = venv / "bin" / "python"
    with step("install the Python packages of requirements-dev.lock", expect="half a minute"):
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
        _pip(python, "--require-hashes", "-r", str(ROOT / "requirements-dev.lock"))
        _pip(python, "--no-deps", "-e", str(ROOT))


def _pip(python: Path, *arguments: str) -> None:
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*command, *arguments], check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
