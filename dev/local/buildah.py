"""buildah with a store of its own, and its images handed to containerd, where old versions are
cleared away.
"""

import json
import os
from pathlib import Path

from dev.local.commands import run, succeeds
from dev.local.containerd import ctr
from dev.local.errors import CommandFailed, ImageBuildFailed
from dev.local.layout import Layout

DEFAULT_TAG = "dev"
HOSTS = ("localhost/", "docker.io/")


def full_name(name: str) -> str:
    """localhost/NAME:TAG: without the host containerd means docker.io, and with `latest` the
    kubelet wants to pull. A name at docker.io stays: what is built here stands in for what can't
    be pulled.
    """
    named = name if name.startswith(HOSTS) else f"localhost/{name}"
    return named if ":" in named.rpartition("/")[2] else f"{named}:{DEFAULT_TAG}"


def buildah(layout: Layout, *words: str | Path) -> list[str | Path]:
    """A command line of buildah with the cluster's own store."""
    store = layout.images / "buildah"
    return [
        "buildah",
        "--root",
        store,
        "--runroot",
        layout.run / "buildah",
        "--storage-driver",
        "overlay",
        *words,
    ]


def find_image_id(layout: Layout, name: str) -> str | None:
    """None if the store has no such image."""
    try:
        return run(
            buildah(layout, "inspect", "--type", "image", "--format", "{{.FromImageID}}", name)
        ).strip()
    except CommandFailed:
        return None


def import_into_containerd(layout: Layout, name: str) -> None:
    """Raises ImageBuildFailed."""
    archive = layout.images / f"export-{os.getpid()}.tar"
    try:
        target = f"oci-archive:{archive}:{name}"
        run(buildah(layout, "push", "--quiet", "--disable-compression", name, target))
        run(ctr(layout, "images", "import", archive))
    except CommandFailed as error:
        raise ImageBuildFailed(f"image {name} was built but not imported: {error}") from error
    finally:
        archive.unlink(missing_ok=True)
    if name not in names_in_containerd(layout):
        raise ImageBuildFailed(f"containerd does not list {name} after its import")


def names_in_containerd(layout: Layout) -> set[str]:
    """Every name that pods can use."""
    return set(run(ctr(layout, "images", "ls", "-q")).split())


def prune(layout: Layout) -> None:
    """Remove what no name points to any more; layers that later builds can use again stay with
    their images.
    """
    succeeds(buildah(layout, "rmi", "--prune"))
    listing = run(ctr(layout, "images", "ls"))
    for stale in find_stale(listing):
        succeeds(ctr(layout, "images", "rm", stale))


def find_stale(listing: str) -> list[str]:
    """Of `ctr images ls`: the CRI plugin names every image by its id too, and keeps that when the
    tag moves on.
    """
    rows = [line.split() for line in listing.splitlines()[1:] if line.strip()]
    named = {row[2] for row in rows if not row[0].startswith("sha256:")}
    return [row[0] for row in rows if row[0].startswith("sha256:") and row[2] not in named]


class BuildRecords:
    """From which inputs each image was built last."""

    def __init__(self, layout: Layout) -> None:
        self._path = layout.images / "built.json"

    def get(self, name: str) -> str | None:
        """The inputs, or None if it was never built here."""
        value = self._read().get(name)
        return str(value) if value is not None else None

    def put(self, name: str, inputs: str) -> None:
        """All or nothing, so that a killed build leaves the former records."""
        records = {**self._read(), name: inputs}
        draft = self._path.with_suffix(".unfinished")
        draft.write_text(json.dumps(records, indent=2, sort_keys=True) + "\n")
        draft.replace(self._path)

    def _read(self) -> dict[str, object]:
        try:
            content = json.loads(self._path.read_text())
        except (FileNotFoundError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}
