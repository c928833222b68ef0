"""Makes and imports the pause image, which holds a pod's namespaces; it has only catatonit in it.

The archive is made here, without an image tool.
"""

import hashlib
import io
import json
import platform
import tarfile
from pathlib import Path

from dev.local.commands import run
from dev.local.containerd import PAUSE_IMAGE, ctr
from dev.local.layout import Layout

PROGRAM = Path("/usr/bin/catatonit")
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def ensure_pause_image(layout: Layout) -> bool:
    """Import the image unless containerd has it; return whether it was imported.

    containerd must run.
    """
    known = run(ctr(layout, "images", "ls", "-q", f"name=={PAUSE_IMAGE}")).split()
    if PAUSE_IMAGE in known:
        return False
    archive = layout.images / "pause.tar"
    archive.parent.mkdir(parents=True, exist_ok=True)
    archive.write_bytes(build_archive(PROGRAM.read_bytes(), PAUSE_IMAGE, platform.machine()))
    run(ctr(layout, "images", "import", archive))
    archive.unlink()
    return True


def build_archive(program: bytes, name: str, machine: str) -> bytes:
    """Return an archive as `docker save` writes it: manifest, configuration, one layer."""
    layer = _tar({"pause": (program, 0o755)})
    configuration = {
        "architecture": ARCHITECTURES.get(machine, machine),
        "os": "linux",
        "config": {"Entrypoint": ["/pause", "-P"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
    }
    manifest = [{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]
    files = {
        "layer.tar": (layer, 0o644),
        "config.json": (json.dumps(configuration).encode(), 0o644),
        "manifest.json": (json.dumps(manifest).encode(), 0o644),
    }
    return _tar(files)


def _tar(files: dict[str, tuple[bytes, int]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, (content, mode) in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), mode
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()
