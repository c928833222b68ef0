"""The versions of queue servers that the contract suites are run on, each of a Debian suite in a
folder of the cache. Starts none of them: whoever needs one runs it below that folder.
"""

import hashlib
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from wqjlocal.commands import run
from wqjlocal.console import step
from wqjlocal.debian import debootstrap, trim
from wqjlocal.errors import CommandFailed, PackagesUnavailable
from wqjlocal.layout import Layout
from wqjlocal.lock import exclusive
from wqjlocal.packages import install_packages

RECIPE = "1"
"""A change of how a folder is made has to change this."""


@dataclass(frozen=True, slots=True)
class Server:
    """One server in one version.

    speaks: the broker whose contract it keeps, and the marker of that broker's tests.
    packages: Debian's, the first of which has the server's version.
    """

    program: str
    version: str
    speaks: str
    suite: str
    packages: tuple[str, ...]

    @property
    def name(self) -> str:
        """Return what a person calls it, as in rabbitmq-4.3."""
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
        f"no server is called {name!r}; name one of {', '.join(one.name for one in SERVERS)}"
    )


def find_root(layout: Layout, server: Server) -> Path:
    """Return the folder that the server is, or will be, installed in."""
    packages = _packages_of(server.suite)
    digest = hashlib.sha256(" ".join((RECIPE, *packages)).encode()).hexdigest()[:12]
    return layout.cache / "suites" / f"{server.suite}-{digest}"


def ensure_server(layout: Layout, server: Server) -> Path:
    """Install the server's suite unless it is there; return its folder.

    Raises PackagesUnavailable, also where the suite has another version by now.
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
    """Return the version that is installed, without Debian's epoch and revision."""
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
    # A node is called by a name of its host, which has to be known there.
    (unfinished / "etc/hosts").write_text("127.0.0.1 localhost\n")
    unfinished.rename(root)
    for former in root.parent.glob(f"{suite}-*"):
        if former != root:
            shutil.rmtree(former)
