#!/usr/bin/env python3
"""Find the project's modules that a worker needs; run as a program, this removes the others.

A worker needs what `workqueuejob.worker` imports, and the worker's side of every broker's room,
which the registry imports by name when its broker is used. The imports are read from the source, so
that those inside of functions are found as well. Only the standard library is imported.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

PACKAGE = "workqueuejob"
SIDES = ("settings", "connecting", "broker")
"""The worker's sides of a broker's room, as `workqueuejob.brokers.registry` loads them."""


def find_own_modules(packages: Path) -> frozenset[Path]:
    """Return the files of the modules, below site-packages."""
    wanted = [*_find_roots(packages)]
    known: set[Path] = set()
    while wanted:
        path = wanted.pop()
        if path in known:
            continue
        known.add(path)
        wanted += _find_imported(packages, path)
    return frozenset(known)


def _find_roots(packages: Path) -> Iterator[Path]:
    own = packages / PACKAGE
    yield from (own / "worker").rglob("*.py")
    for room in (own / "brokers").iterdir():
        paths = (room / f"{side}.py" for side in SIDES)
        yield from (path for path in paths if path.exists())


def _find_imported(packages: Path, path: Path) -> Iterator[Path]:
    """Yield the project's modules that a module imports, and the packages that it is in."""
    for parent in path.parents:
        init = parent / "__init__.py"
        if parent != packages and parent.is_relative_to(packages) and init.exists():
            yield init
    for node in ast.walk(ast.parse(path.read_bytes())):
        match node:
            case ast.ImportFrom(module=str(module), level=0):
                names = [module, *(f"{module}.{alias.name}" for alias in node.names)]
            case ast.Import():
                names = [alias.name for alias in node.names]
            case _:
                continue
        for name in names:
            if name.partition(".")[0] == PACKAGE:
                yield from _find_files(packages, name)


def _find_files(packages: Path, name: str) -> Iterator[Path]:
    path = packages.joinpath(*name.split("."))
    candidates = (path.with_suffix(".py"), path / "__init__.py")
    return (candidate for candidate in candidates if candidate.exists())


def main() -> None:
    """Remove the operator's modules, with their bytecode, from an installed package."""
    packages = Path(sys.argv[1])
    kept = find_own_modules(packages)
    for path in [*(packages / PACKAGE).rglob("*.py")]:
        if path not in kept:
            path.unlink()
            for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
                compiled.unlink()


if __name__ == "__main__":
    main()
