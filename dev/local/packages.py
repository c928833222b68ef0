"""Installs missing Debian packages, without starting or enabling their daemons."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dev.local.commands import run, succeeds
from dev.local.console import step
from dev.local.errors import CommandFailed, PackagesUnavailable, WrongMachine

NODE_PACKAGES = (
    "buildah",
    "ca-certificates",
    "catatonit",
    "conntrack",
    "containerd",
    "containernetworking-plugins",
    "debootstrap",
    "ethtool",
    "iproute2",
    "iptables",
    "openssl",
    "runc",
)
CERTIFICATE_PACKAGES = ("openssl",)
GO_VENV_PACKAGES = ("python3-venv",)
POLICY = Path("/usr/sbin/policy-rc.d")
CONTAINERD_UNIT_LINK = Path("/etc/systemd/system/multi-user.target.wants/containerd.service")


def install_packages(names: tuple[str, ...], *, log: Path) -> None:
    """Install the packages that are missing; raises PackagesUnavailable and WrongMachine."""
    missing = missing_packages(names)
    if not missing:
        return
    if shutil.which("apt-get") is None:
        raise WrongMachine(
            f"this needs Debian's {', '.join(missing)}, and there is no apt-get here"
        )
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    try:
        with (
            step(f"install Debian packages: {' '.join(missing)}", expect="about half a minute"),
            _no_daemons(),
        ):
            run(["apt-get", "update"], environment=quiet, log=log)
            run(
                ["apt-get", "install", "-y", "--no-install-recommends", *missing],
                environment=quiet,
                log=log,
            )
    except CommandFailed as error:
        raise PackagesUnavailable(
            f"{error}\nall of it is in {log}; check the machine's apt sources"
        ) from error


def missing_packages(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the packages that are not installed; raises WrongMachine where there is no dpkg."""
    installed = _installed()
    return tuple(name for name in names if name not in installed)


def _installed() -> frozenset[str]:
    try:
        listing = run(["dpkg-query", "--show", "--showformat", "${db:Status-Status} ${Package}\n"])
    except CommandFailed as error:
        raise WrongMachine(f"this needs a Debian machine: {error}") from error
    states = (line.split(" ", 1) for line in listing.splitlines())
    return frozenset(name for state, name in states if state == "installed")


@contextmanager
def _no_daemons() -> Iterator[None]:
    """Keep Debian from starting and enabling what it installs, by policy-rc.d's exit code 101."""
    had_policy, had_link = POLICY.exists(), CONTAINERD_UNIT_LINK.is_symlink()
    if not had_policy:
        POLICY.write_text("#!/bin/sh\nexit 101\n")
        POLICY.chmod(0o755)
    try:
        yield
    finally:
        if not had_policy:
            POLICY.unlink()
        if (
            not had_link
            and CONTAINERD_UNIT_LINK.is_symlink()
            and not succeeds(["systemctl", "disable", "containerd"])
        ):
            CONTAINERD_UNIT_LINK.unlink(missing_ok=True)
