"""The base of local images: Debian bookworm with Python, made by debootstrap from the machine's
own Debian mirror.
"""

import shutil
from pathlib import Path

from wqjlocal.buildah import (
    BuildRecords,
    buildah,
    find_image_id,
    import_into_containerd,
    names_in_containerd,
    prune,
)
from wqjlocal.commands import run
from wqjlocal.console import step
from wqjlocal.errors import CommandFailed, ImageBuildFailed
from wqjlocal.layout import Layout

BASE_IMAGE = "localhost/workqueuejob/base-python:bookworm"
SUITE = "bookworm"
PACKAGES = ("ca-certificates", "python-is-python3", "python3", "python3-venv")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# A change of how the image is made has to change this.
RECIPE = "1"
TRIMMED = (
    "usr/share/doc",
    "usr/share/man",
    "usr/share/locale",
    "usr/share/info",
    "var/cache/apt",
    "var/lib/apt/lists",
    "var/log",
)
REMOVED = ("etc/hostname", "etc/resolv.conf")


def ensure_base_image(layout: Layout) -> str:
    """Its name; raises ImageBuildFailed."""
    inputs = " ".join((SUITE, RECIPE, *PACKAGES))
    records = BuildRecords(layout)
    if records.get(BASE_IMAGE) != inputs or find_image_id(layout, BASE_IMAGE) is None:
        root = layout.images / "base-root"
        try:
            with step(f"make {BASE_IMAGE} with debootstrap", expect="about a minute"):
                _make(layout, root)
        except CommandFailed as error:
            raise ImageBuildFailed(
                f"{error}\nall of it is in {layout.logs / 'images.log'}"
            ) from error
        finally:
            shutil.rmtree(root, ignore_errors=True)
        records.put(BASE_IMAGE, inputs)
        import_into_containerd(layout, BASE_IMAGE)
        prune(layout)
    elif BASE_IMAGE not in names_in_containerd(layout):
        import_into_containerd(layout, BASE_IMAGE)
    return BASE_IMAGE


def find_sources(targets: str) -> list[tuple[str, str, str]]:
    """(address, suite, component) of this machine's bookworm archives, from `apt-get
    indextargets`.
    """
    found: list[tuple[str, str, str]] = []
    for line in targets.splitlines():
        address, codename, component = line.split()
        wanted = (
            codename in (SUITE, f"{SUITE}-security", f"{SUITE}-updates") and component == "main"
        )
        if wanted and (address, codename, component) not in found:
            found.append((address, codename, component))
    return found


def _make(layout: Layout, root: Path) -> None:
    shutil.rmtree(root, ignore_errors=True)
    root.parent.mkdir(parents=True, exist_ok=True)
    log = layout.logs / "images.log"
    form = "$(REPO_URI) $(CODENAME) $(COMPONENT)"
    sources = find_sources(
        run(["apt-get", "indextargets", "--format", form, "Created-By: Packages"])
    )
    # Without a mirror of its own suite on this machine, debootstrap's default has to do.
    mirror = [address for address, suite, _ in sources if suite == SUITE][:1]
    run(
        [
            "debootstrap",
            "--variant=minbase",
            f"--include={','.join(PACKAGES)}",
            SUITE,
            root,
            *mirror,
        ],
        log=log,
    )
    if sources:
        lines = (f"deb {address} {suite} {component}\n" for address, suite, component in sources)
        (root / "etc/apt/sources.list").write_text("".join(lines))
    # Installing a package in an image starts no daemon.
    policy = root / "usr/sbin/policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    _trim(root)
    container = run(buildah(layout, "from", "scratch")).strip()
    run(buildah(layout, "add", "--quiet", container, root, "/"), log=log)
    run(
        buildah(
            layout,
            "config",
            "--env",
            f"PATH={PATH}",
            "--env",
            "LANG=C.UTF-8",
            "--cmd",
            "python3",
            container,
        ),
        log=log,
    )
    run(buildah(layout, "commit", "--quiet", "--rm", container, BASE_IMAGE), log=log)


def _trim(root: Path) -> None:
    for name in TRIMMED:
        for file in (root / name).rglob("*"):
            if file.is_file() or file.is_symlink():
                file.unlink()
    for name in REMOVED:
        (root / name).unlink(missing_ok=True)
