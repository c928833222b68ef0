"""Makes the base of local images: Debian bookworm with Python, by debootstrap.

The packages come from this machine's Debian mirror.
"""

import shutil
from pathlib import Path

from dev.local.buildah import (
    BuildRecords,
    buildah,
    find_image_id,
    import_into_containerd,
    names_in_containerd,
    prune,
)
from dev.local.commands import run
from dev.local.console import step
from dev.local.debian import debootstrap, read_sources, trim
from dev.local.errors import CommandFailed, ImageBuildFailed
from dev.local.layout import Layout

BASE_IMAGE = "localhost/workqueuejob/base-python:bookworm"
SUITE = "bookworm"
PACKAGES = ("ca-certificates", "python-is-python3", "python3", "python3-venv")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Change it when you change how the image is made.
RECIPE = "1"
REMOVED = ("etc/hostname", "etc/resolv.conf")


def ensure_base_image(layout: Layout) -> str:
    """Make the image unless it is there, and return its name; raises ImageBuildFailed."""
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


def _make(layout: Layout, root: Path) -> None:
    shutil.rmtree(root, ignore_errors=True)
    root.parent.mkdir(parents=True, exist_ok=True)
    log = layout.logs / "images.log"
    debootstrap(SUITE, root, packages=PACKAGES, log=log)
    sources = [source for source in read_sources() if _is_of_the_suite(*source)]
    if sources:
        lines = (f"deb {address} {suite} {component}\n" for address, suite, component in sources)
        (root / "etc/apt/sources.list").write_text("".join(lines))
    # So that installing a package in an image starts no daemon.
    policy = root / "usr/sbin/policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    trim(root)
    for name in REMOVED:
        (root / name).unlink(missing_ok=True)
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


def _is_of_the_suite(_address: str, suite: str, component: str) -> bool:
    return suite in (SUITE, f"{SUITE}-security", f"{SUITE}-updates") and component == "main"
