#!/usr/bin/env python3
"""Make the virtual environment that everything except the local cluster runs in.

pip installs uv, and uv installs the rest in a tenth of pip's time. uv does not read pip's settings,
such as a private index; if it fails, pip installs the rest. Only the standard library is imported,
because this runs first.
"""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

from dev.local.console import step
from dev.local.packages import install_packages

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements-dev.lock"
LOG = Path("/tmp/workqueuejob-packages.log")  # noqa: S108 - a log, on any machine


def main(venv: Path) -> None:
    """Make or renew the environment at `venv` from the lock file.

    Raises CalledProcessError when pip fails, after pip has printed why.
    """
    if importlib.util.find_spec("ensurepip") is None:
        install_packages(("python3-venv",), log=LOG)
    python = str(venv / "bin" / "python")
    pip = (python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    uv = (str(venv / "bin" / "uv"), "pip", "install", "--quiet", "--python", python)
    with step("install the Python packages of requirements-dev.lock", expect="10 to 60 seconds"):
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
        pinned = pin_of("uv", LOCK.read_text())
        _run(*pip, "--require-hashes", "-r", "/dev/stdin", stdin=pinned)
        try:
            _install(uv)
        except subprocess.CalledProcessError:
            _install(pip)


def pin_of(package: str, lock: str) -> str:
    """Return a package's lines in a lock file, with its hashes; raises ValueError."""
    pin = re.search(rf"^{re.escape(package)}==(?:.*\\\n)*.*\n", lock, re.MULTILINE)
    if pin is None:
        raise ValueError(f"{package} is not in the lock file; run make lock")
    return pin.group()


def _install(command: tuple[str, ...]) -> None:
    _run(*command, "--require-hashes", "-r", str(LOCK))
    _run(*command, "--no-deps", "-e", str(ROOT))


def _run(*command: str, stdin: str | None = None) -> None:
    subprocess.run(command, check=True, text=True, input=stdin)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
