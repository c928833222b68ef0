"""Where the tests' servers are installed: on this machine, or a chosen version of one in a folder.

`WQJ_SERVERS=rabbitmq-4.3` chooses; several are separated by spaces. `make contract-versions`
installs them.
"""

import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from dev.local.layout import build_layout
from dev.local.servers import ensure_server, find_server

CHOICE = "WQJ_SERVERS"

# Mounts what a server needs into its folder, in a namespace that ends with the server.
_ENTER = """
root=$1 shared=$2 directory=$3; shift 3
mount --rbind /proc "$root/proc"
mount --rbind /dev "$root/dev"
mkdir -p "$root$shared"
mount --bind "$shared" "$root$shared"
exec chroot "$root" env --chdir="$directory" "$@"
"""


@dataclass(frozen=True)
class Installation:
    """The programs of one server. root: the folder of its suite; None: this machine's own."""

    program: str
    root: Path | None = None

    def command(self, *words: str, directory: Path) -> list[str]:
        """Return the command that runs a program in a directory, which is a temporary one.

        It becomes the program, so it is ended by the same process id.
        """
        if self.root is None:
            return list(words)
        shared = tempfile.gettempdir()
        enter = ["unshare", "--mount", "sh", "-euc", _ENTER, "sh"]
        return [*enter, str(self.root), shared, str(directory), *words]

    def has(self, command: str) -> bool:
        """Return whether a program is installed, by its name or its whole path."""
        where = f"{self.root}/usr/bin:{self.root}/usr/sbin" if self.root is not None else None
        if command.startswith("/"):
            return Path(f"{self.root or ''}{command}").exists()
        return shutil.which(command, path=where) is not None

    def require(self, command: str, *, package: str) -> None:
        """Skip the test where a Debian package is missing; fail it in CI, and in a folder."""
        if self.has(command):
            return
        if os.environ.get("CI") or self.root is not None:
            pytest.fail(f"{package} is not installed; apt-get install {package}")
        pytest.skip(f"{package} is not installed")


def find_installation(speaks: str, environment: Mapping[str, str] = os.environ) -> Installation:
    """Return the installation of a broker, the chosen one or the machine's own."""
    for name in environment.get(CHOICE, "").split():
        server = find_server(name)
        if server.speaks == speaks:
            return Installation(server.program, ensure_server(build_layout(environment), server))
    return Installation(speaks)
