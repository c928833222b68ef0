"""`build-image`: a Dockerfile of the project, built without a daemon or a registry and known to
the cluster.

Builds are isolated by chroot only: they are the project's own files, on a machine of one's own.
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
    """What to build, from what, on what; `build_arguments` are K=V, `target` is a stage."""

    name: str
    context: Path
    dockerfile: Path
    base: str
    build_arguments: tuple[str, ...] = ()
    target: str | None = None


def build_image(layout: Layout, request: ImageRequest) -> str:
    """The image's full name; containerd has to run. Raises ImageBuildFailed."""
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
    """Build the stages that it is made from under names of their own, or pruning would take
    their layers and every build would begin anew.
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
    """The named stages that a stage, the last unless named, is made from, in their order."""
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
