"""A hash of what a build reads: the Dockerfile, the context without what .dockerignore leaves
out, the options.
"""

import fnmatch
import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

# Never part of what an image is made of, whatever .dockerignore says.
SKIPPED_DIRECTORIES = frozenset(
    {".git", "__pycache__", ".mypy_cache", ".pytest_cache", ".ruff_cache"}
)


def hash_inputs(context: Path, dockerfile: Path, options: tuple[str, ...]) -> str:
    """Names, modes, contents; not times or owners."""
    digest = hashlib.sha256("\0".join(options).encode())
    digest.update(dockerfile.read_bytes())
    for path in find_context_files(context):
        status = path.lstat()
        digest.update(f"\0{path.relative_to(context)}\0{stat.S_IMODE(status.st_mode):o}\0".encode())
        digest.update(os.fsencode(os.readlink(path)) if path.is_symlink() else path.read_bytes())
    return digest.hexdigest()


def find_context_files(context: Path) -> Iterator[Path]:
    """In a fixed order."""
    ignore_file = context / ".dockerignore"
    patterns = parse_ignore(ignore_file.read_text()) if ignore_file.exists() else ()
    for directory, names, files in os.walk(context):
        names[:] = sorted(name for name in names if name not in SKIPPED_DIRECTORIES)
        here = Path(directory)
        # A link to a directory is among the names, and walk does not follow it.
        entries = files + [name for name in names if (here / name).is_symlink()]
        for name in sorted(entries):
            path = here / name
            known = stat.S_ISREG(path.lstat().st_mode) or path.is_symlink()
            if known and not is_ignored(path.relative_to(context).as_posix(), patterns):
                yield path


def parse_ignore(text: str) -> tuple[str, ...]:
    """The patterns, in order."""
    lines = (line.strip() for line in text.splitlines())
    return tuple(line for line in lines if line and not line.startswith("#"))


def is_ignored(path: str, patterns: tuple[str, ...]) -> bool:
    """By .dockerignore's rules: the last match decides, `!` takes back, a directory covers what
    is in it.
    """
    ignored = False
    for pattern in patterns:
        wanted = pattern.removeprefix("!").strip("/")
        if _matches(path.split("/"), wanted.split("/")):
            ignored = not pattern.startswith("!")
    return ignored


def _matches(path: list[str], pattern: list[str]) -> bool:
    if not pattern:
        return True
    if pattern[0] == "**":
        return any(_matches(path[start:], pattern[1:]) for start in range(len(path) + 1)) and bool(
            path
        )
    return (
        bool(path) and fnmatch.fnmatchcase(path[0], pattern[0]) and _matches(path[1:], pattern[1:])
    )
