"""Debian suites in folders, made by debootstrap from this machine's own Debian mirror.

Everything that is mounted for it is mounted in a namespace of its own and ends with it.
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
    """Return (address, suite, component) of what this machine's apt reads packages from."""
    form = "$(REPO_URI) $(CODENAME) $(COMPONENT)"
    targets = run(["apt-get", "indextargets", "--format", form, "Created-By: Packages"])
    return parse_sources(targets)


def parse_sources(targets: str) -> list[tuple[str, str, str]]:
    """Return the lines of `apt-get indextargets` without what comes twice."""
    sources: list[tuple[str, str, str]] = []
    for line in targets.splitlines():
        address, suite, component = line.split()
        if (address, suite, component) not in sources:
            sources.append((address, suite, component))
    return sources


def find_mirror(sources: list[tuple[str, str, str]]) -> str | None:
    """Return the address that serves a whole suite, which serves the other suites, too.

    None: this machine knows none, and debootstrap's default has to do.
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
            # A machine older than the suite doesn't know how to install it; like the newest.
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
