"""Runs buildah with the cluster's own store, and imports its images into containerd.

Removes old versions of images from both.
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
    """Return localhost/NAME:TAG; a name that begins with docker.io keeps its host.

    Without a host containerd would take docker.io, and with the tag `latest` the kubelet would
    pull. An image that is built here under a name at docker.io replaces one that can't be pulled.
    """
    named = name if name.startswith(HOSTS) else f"localhost/{name}"
    return named if ":" in named.rpartition("/")[2] else f"{named}:{DEFAULT_TAG}"


def buildah(layout: Layout, *words: str | Path) -> list[str | Path]:
    """Return a command line of buildah with the cluster's own store."""
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
    """Return the id of an image, or None if the store does not have it."""
    try:
        return run(
            buildah(layout, "inspect", "--type", "image", "--format", "{{.FromImageID}}", name)
        ).strip()
    except CommandFailed:
        return None


def import_into_containerd(layout: Layout, name: str) -> None:
    """Copy an image from the store into containerd; raises ImageBuildFailed."""
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
    """Return the names of all images that pods can use."""
    return set(run(ctr(layout, "images", "ls", "-q")).split())


def prune(layout: Layout) -> None:
    """Remove images without a name. The layers of images with a name stay for later builds."""
    succeeds(buildah(layout, "rmi", "--prune"))
    listing = run(ctr(layout, "images", "ls"))
    for stale in find_stale(listing):
        succeeds(ctr(layout, "images", "rm", stale))


def find_stale(listing: str) -> list[str]:
    """Return the ids in the output of `ctr images ls` whose image has no other name.

    containerd's CRI plugin names each image by its id as well, and keeps that name when a tag is
    given to another image.
    """
    rows = [line.split() for line in listing.splitlines()[1:] if line.strip()]
    named = {row[2] for row in rows if not row[0].startswith("sha256:")}
    return [row[0] for row in rows if row[0].startswith("sha256:") and row[2] not in named]


class BuildRecords:
    """A file with the hash of the inputs that each image was last built from."""

    def __init__(self, layout: Layout) -> None:
        self._path = layout.images / "built.json"

    def get(self, name: str) -> str | None:
        """Return the hash of an image's inputs, or None if it was not built here."""
        value = self._read().get(name)
        return str(value) if value is not None else None

    def put(self, name: str, inputs: str) -> None:
        """Record the hash of an image's inputs, in one step: a killed build keeps the old file."""
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
