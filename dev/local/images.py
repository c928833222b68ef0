"""`build-image`: builds a Dockerfile of the project, without daemon or image registry; imports it.

Builds are isolated by chroot only, because they run only the project's own files.
"""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from dev.local.base_image import BASE_IMAGE, ensure_base_image
from dev.local.build_settings import write_build_settings
from dev.local.buildah import (
    BuildRecords,
    buildah,
    find_image_id,
    full_name,
    import_into_containerd,
    names_in_containerd,
    prune,
)
from dev.local.commands import run
from dev.local.console import say, step
from dev.local.contents import hash_inputs
from dev.local.errors import CommandFailed, ImageBuildFailed
from dev.local.layout import Layout

_STAGE = re.compile(r"FROM\s+(?P<base>\S+)(?:\s+AS\s+(?P<name>\S+))?", re.IGNORECASE)
_COPY = re.compile(r"COPY\s+--from=(\S+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ImageRequest:
    """An image to build, and from what."""

    name: str
    context: Path
    dockerfile: Path
    base: str
    """The image that the Dockerfile's argument BASE_IMAGE names."""
    build_arguments: tuple[str, ...] = ()
    """Each is K=V."""
    target: str | None = None
    """A stage of the Dockerfile; None: the last one."""


def build_image(layout: Layout, request: ImageRequest) -> str:
    """Build and import an image unless it is unchanged, and return its full name.

    containerd must run. Raises ImageBuildFailed.
    """
    for path in (request.context, request.dockerfile):
        if not path.exists():
            raise ImageBuildFailed(f"{path} does not exist")
    base = ensure_base_image(layout) if request.base == BASE_IMAGE else full_name(request.base)
    base_id = find_image_id(layout, base)
    if base_id is None:
        raise ImageBuildFailed(
            f"base image {base} is not here; build it first, or leave --base out"
        )
    name = full_name(request.name)
    options = (base_id, *request.build_arguments, *filter(None, [request.target]))
    inputs = hash_inputs(request.context, request.dockerfile, options)
    records = BuildRecords(layout)
    built = records.get(name) == inputs and find_image_id(layout, name) is not None
    if built and name in names_in_containerd(layout):
        say(f"         {name} is unchanged")
        return name
    with step(f"build {name}"):
        if not built:
            _build(layout, request, name, base)
        import_into_containerd(layout, name)
        records.put(name, inputs)
        prune(layout)
    return name


def _build(layout: Layout, request: ImageRequest, name: str, base: str) -> None:
    """Build the image and the stages that it is made from.

    The stages get names as well. Pruning would remove the layers of stages without a name, and
    every build would begin from the start.
    """
    log = layout.logs / "images.log"
    settings = layout.run / "build"
    bases = (f"BASE_IMAGE={base}", f"PYTHON_IMAGE={BASE_IMAGE}")
    arguments = [*bases, *request.build_arguments]
    words = [word for argument in arguments for word in ("--build-arg", argument)]
    stages = find_stages(request.dockerfile.read_text(), request.target)
    targets = [["--target", stage, "--tag", f"{name}-{stage}"] for stage in stages]
    last = ["--target", request.target] if request.target else []
    try:
        borrowed = write_build_settings(settings)
        options: list[str | Path] = [
            "--isolation",
            "chroot",
            "--network",
            "host",
            "--layers",
            "--pull=false",
            *borrowed,
            *words,
            "--file",
            request.dockerfile,
        ]
        for target in [*targets, [*last, "--tag", name]]:
            run(buildah(layout, "bud", *options, *target, request.context), log=log)
    except CommandFailed as error:
        raise ImageBuildFailed(f"{error}\nall of it is in {log}") from error
    finally:
        shutil.rmtree(settings, ignore_errors=True)


def find_stages(dockerfile: str, target: str | None = None) -> list[str]:
    """Return the named stages that a stage is made from, in their order.

    target: the stage; None: the last one.
    """
    needs: dict[str, set[str]] = {}
    stage = ""
    for line in dockerfile.splitlines():
        if begun := _STAGE.match(line):
            stage = begun["name"] or ""
            needs[stage] = {begun["base"]}
        elif copied := _COPY.match(line):
            needs[stage].add(copied[1])
    wanted = {stage if target is None else target}
    # A stage is made only from stages before it.
    for name in reversed(needs):
        if name in wanted:
            wanted |= needs[name]
    return [name for name in needs if name in wanted and name != (target or stage)]
