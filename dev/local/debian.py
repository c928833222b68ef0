"""Installs Debian suites in folders, with debootstrap and from this machine's Debian mirror.

debootstrap runs in its own mount namespace, so its mounts end with it.
"""

from pathlib import Path

from dev.local.commands import run

SCRIPTS = Path("/usr/share/debootstrap/scripts")
SUITES = ("bookworm", "trixie", "forky")
TRIMMED = (
    "usr/share/doc",
    "usr/share/man",
    "usr/share/locale",
    "usr/share/info",
    "var/cache/apt",
    "var/lib/apt/lists",
    "var/log",
)


def read_sources() -> list[tuple[str, str, str]]:
    """Return address, suite and component of each source that this machine's apt reads."""
    form = "$(REPO_URI) $(CODENAME) $(COMPONENT)"
    targets = run(["apt-get", "indextargets", "--format", form, "Created-By: Packages"])
    return parse_sources(targets)


def parse_sources(targets: str) -> list[tuple[str, str, str]]:
    """Return the three words of each line of `apt-get indextargets`, without duplicates."""
    sources: list[tuple[str, str, str]] = []
    for line in targets.splitlines():
        address, suite, component = line.split()
        if (address, suite, component) not in sources:
            sources.append((address, suite, component))
    return sources


def find_mirror(sources: list[tuple[str, str, str]]) -> str | None:
    """Return the address of a mirror that serves whole suites.

    None: this machine's apt knows none, and debootstrap uses its default.
    """
    return next(
        (address for address, suite, part in sources if suite in SUITES and part == "main"), None
    )


def debootstrap(suite: str, root: Path, *, packages: tuple[str, ...], log: Path) -> None:
    """Install a suite with these packages below `root`; raises CommandFailed."""
    script = SCRIPTS / suite
    run(
        [
            *("unshare", "--mount", "debootstrap", "--variant=minbase"),
            f"--include={','.join(packages)}",
            suite,
            root,
            find_mirror(read_sources()) or "",
            # debootstrap of an older machine has no script for a newer suite; sid's fits.
            script if script.exists() else SCRIPTS / "sid",
        ],
        log=log,
    )


def trim(root: Path) -> None:
    """Remove documentation, package archives and logs."""
    for name in TRIMMED:
        for file in (root / name).rglob("*"):
            if file.is_file() or file.is_symlink():
                file.unlink()
