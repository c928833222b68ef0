"""Hashes what a build reads: the Dockerfile, the options, and the files of the context.

Files that .dockerignore leaves out are not read.
"""

import fnmatch
import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

# No image of the project is made from them, even where .dockerignore does not name them.
SKIPPED_DIRECTORIES = frozenset(
    {".git", "__pycache__", ".mypy_cache", ".pytest_cache", ".ruff_cache"}
)


def hash_inputs(context: Path, dockerfile: Path, options: tuple[str, ...]) -> str:
    """Return a hash of names, modes and contents, but not of times and owners."""
    digest = hashlib.sha256("\0".join(options).encode())
    digest.update(dockerfile.read_bytes())
    for path in find_context_files(context):
        status = path.lstat()
        digest.update(f"\0{path.relative_to(context)}\0{stat.S_IMODE(status.st_mode):o}\0".encode())
        digest.update(os.fsencode(os.readlink(path)) if path.is_symlink() else path.read_bytes())
    return digest.hexdigest()


def find_context_files(context: Path) -> Iterator[Path]:
    """Yield the files of the context that are not ignored, in a fixed order."""
    ignore_file = context / ".dockerignore"
    patterns = parse_ignore(ignore_file.read_text()) if ignore_file.exists() else ()
    for directory, names, files in os.walk(context):
        names[:] = sorted(name for name in names if name not in SKIPPED_DIRECTORIES)
        here = Path(directory)
        # os.walk lists a link to a directory among the directories, and does not follow it.
        entries = files + [name for name in names if (here / name).is_symlink()]
        for name in sorted(entries):
            path = here / name
            known = stat.S_ISREG(path.lstat().st_mode) or path.is_symlink()
            if known and not is_ignored(path.relative_to(context).as_posix(), patterns):
                yield path


def parse_ignore(text: str) -> tuple[str, ...]:
    """Return the patterns of a .dockerignore, in their order."""
    lines = (line.strip() for line in text.splitlines())
    return tuple(line for line in lines if line and not line.startswith("#"))


def is_ignored(path: str, patterns: tuple[str, ...]) -> bool:
    """Return whether .dockerignore leaves a path out.

    By its rules the last pattern that matches decides, `!` takes a path back in, and a pattern that
    matches a directory matches the files in it.
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
