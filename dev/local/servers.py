"""Installs the versions of queue servers that the contract suites run on, from Debian's suites.

Each suite is in a folder of the cache. This module starts no server: the tests do, with the folder
as the root directory.
"""

import hashlib
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from dev.local.commands import run
from dev.local.console import step
from dev.local.debian import debootstrap, trim
from dev.local.errors import CommandFailed, PackagesUnavailable
from dev.local.layout import Layout
from dev.local.lock import exclusive
from dev.local.packages import install_packages

RECIPE = "1"
"""Part of a folder's name: change it when you change how a folder is made."""


@dataclass(frozen=True, slots=True)
class Server:
    """One server in one version."""

    program: str
    version: str
    speaks: str
    """The broker whose contract the server keeps; also the marker of its tests."""
    suite: str
    packages: tuple[str, ...]
    """Debian packages to install; the first one has the server's version."""

    @property
    def name(self) -> str:
        """Return the name that people use, such as rabbitmq-4.3."""
        return f"{self.program}-{self.version}"


def _rabbitmq(version: str, suite: str) -> Server:
    return Server("rabbitmq", version, "rabbitmq", suite, ("rabbitmq-server",))


def _redis(program: str, version: str, suite: str) -> Server:
    return Server(program, version, "redis", suite, (f"{program}-server", f"{program}-sentinel"))


SERVERS = (
    _rabbitmq("3.10", "bookworm"),
    _rabbitmq("4.0", "trixie"),
    _rabbitmq("4.3", "forky"),
    _redis("redis", "7.0", "bookworm"),
    _redis("redis", "8.0", "trixie"),
    _redis("valkey", "8.1", "trixie"),
)


def find_server(name: str) -> Server:
    """Return the server of that name; raises PackagesUnavailable."""
    for server in SERVERS:
        if server.name == name:
            return server
    raise PackagesUnavailable(
        f"no server is called {name!r}; name one of {', '.join(server.name for server in SERVERS)}"
    )


def find_root(layout: Layout, server: Server) -> Path:
    """Return the folder of the server's suite, which may not exist yet."""
    packages = _packages_of(server.suite)
    digest = hashlib.sha256(" ".join((RECIPE, *packages)).encode()).hexdigest()[:12]
    return layout.cache / "suites" / f"{server.suite}-{digest}"


def ensure_server(layout: Layout, server: Server) -> Path:
    """Install the server's suite unless its folder exists; return the folder.

    Raises PackagesUnavailable, also if the suite has another version of the server by now.
    """
    root = find_root(layout, server)
    if not root.is_dir():
        log = layout.cache / "suites.log"
        install_packages(("debootstrap",), log=log)
        with exclusive(layout.cache / "suites.lock"):
            if not root.is_dir():
                _make(server.suite, root, log=log)
    installed = read_version(root, server)
    if not installed.startswith(f"{server.version}."):
        raise PackagesUnavailable(
            f"Debian's {server.suite} in {root} has {server.program} {installed}, and not "
            f"{server.version}; correct SERVERS in {Path(__file__).name}"
        )
    return root


def read_version(root: Path, server: Server) -> str:
    """Return the installed version of the server, without Debian's epoch and revision."""
    text = run(
        [
            *("dpkg-query", f"--admindir={root / 'var/lib/dpkg'}", "--show"),
            *("--showformat", "${Version}", server.packages[0]),
        ]
    )
    return re.split(r"[-+~]", text.rpartition(":")[2])[0]


def _packages_of(suite: str) -> tuple[str, ...]:
    return tuple(name for server in SERVERS if server.suite == suite for name in server.packages)


def _make(suite: str, root: Path, *, log: Path) -> None:
    unfinished = root.with_suffix(".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.parent.mkdir(parents=True, exist_ok=True)
    packages = _packages_of(suite)
    try:
        with step(
            f"install {', '.join(packages)} of Debian's {suite} in a folder",
            expect="one to four minutes",
        ):
            debootstrap(suite, unfinished, packages=packages, log=log)
            trim(unfinished)
    except CommandFailed as error:
        raise PackagesUnavailable(
            f"{error}\nall of it is in {log}; check that apt's mirror has {suite}, and that "
            "debian-archive-keyring is current"
        ) from error
    # RabbitMQ's node has the host's name, and looks that up inside the folder.
    (unfinished / "etc/hosts").write_text("127.0.0.1 localhost\n")
    unfinished.rename(root)
    for former in root.parent.glob(f"{suite}-*"):
        if former != root:
            shutil.rmtree(former)
