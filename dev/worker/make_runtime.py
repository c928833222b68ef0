#!/usr/bin/env python3
"""Make a Python that runs in any image, from the Python that runs this.

The result is one folder that can be copied to any path. It holds an interpreter, its C library and
loader, CA certificates, and an archive of the standard library and the worker's packages as
bytecode. This runs where the worker's image is built, imports only the standard library, and
changes only that folder.
"""

import argparse
import ast
import importlib.util
import marshal
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile, ZipInfo

from dev.worker.check_runtime import check_runtime, name_module
from dev.worker.own_modules import find_own_modules

HERE = Path(__file__).parent
PYTHON = Path(sys.executable).resolve()
STANDARD_LIBRARY = Path(sysconfig.get_path("stdlib"))
MAJOR, MINOR = sys.version_info[:2]
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
MAX_MEBIBYTES = 40
"""Of the folder, because every pod copies it before it starts."""

LEFT_OUT = HERE / "left_out.txt"
LEFT_OUT_EXTENSIONS = re.compile(
    r"_?xx|_test|_ctypes_test|_codecs_|_multibytecodec|_tkinter|_curses|_sqlite3|_g?dbm|_lsprof"
    r"|_crypt|_bz2|_lzma|readline|nis|ossaudiodev|audioop|spwd"
)
# The worker runs in UTF-8 mode, where no locale needs another encoding.
KEPT_ENCODINGS = re.compile(
    r"(__init__|aliases|ascii|charmap|idna|latin_1|punycode|utf_8|utf_8_sig|utf_16|utf_16_[bl]e"
    r"|utf_32|utf_32_[bl]e|(raw_)?unicode_escape)$"
)
# The C library opens them to look up a name or to end a thread, so `ldd` does not list them.
OPENED_LATER = ("libgcc_s.so.1", "libnss_dns.so.2", "libnss_files.so.2", "libresolv.so.2")


def main() -> None:
    """Make the runtime, and fail unless it is small and imports all that a worker imports."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("packages", type=Path, help="site-packages with the worker in it")
    parser.add_argument("target", type=Path, help="the folder to make")
    options = parser.parse_args()
    make_runtime(options.packages, options.target)
    check_runtime(options.target, find_left_behind(options.packages))
    check_size(options.target)


def make_runtime(packages: Path, target: Path) -> None:
    """Fill `target`, which must not exist."""
    library = target / "lib" / f"python{MAJOR}.{MINOR}"
    library.mkdir(parents=True)
    (target / "bin").mkdir()
    # Not compressed, because every start reads it. One file, because a pod takes a second to copy
    # hundreds of files.
    with ZipFile(target / "lib" / f"python{MAJOR}{MINOR}.zip", "w") as archive:
        add_standard_library(archive)
        add_packages(archive, packages)
    compiled = copy_compiled_packages(packages, library)
    # The interpreter finds the folder of its library by this file.
    (library / "os.pyc").write_bytes(compile_module(STANDARD_LIBRARY / "os.py", Path("os.py")))
    extensions = copy_extensions(library / "lib-dynload")
    shutil.copy(PYTHON, target / "bin" / "python3")
    copy_libraries([PYTHON, *extensions, *compiled], target)
    shutil.copy(HERE / "launch.py", target / "bin" / "wqj-worker")
    if CERTIFICATES.exists():
        (target / "etc").mkdir()
        shutil.copy(CERTIFICATES, target / "etc" / "ca-certificates.crt")


def check_size(target: Path) -> None:
    """Exit with a message if the runtime is larger than MAX_MEBIBYTES."""
    size = sum(path.stat().st_size for path in target.rglob("*") if path.is_file())
    if size > MAX_MEBIBYTES << 20:
        sys.exit(f"{target}: {size >> 20} MiB are more than {MAX_MEBIBYTES}; drop what grew")
    sys.stdout.write(f"{target}: {size / (1 << 20):.1f} MiB\n")


def add_standard_library(archive: ZipFile) -> None:
    """Add the modules of the standard library that a worker may need."""
    left_out = read_left_out()
    for source in find_sources(STANDARD_LIBRARY):
        name = source.relative_to(STANDARD_LIBRARY)
        if not is_left_out(name, left_out):
            add_module(archive, source, name)


def add_packages(archive: ZipFile, packages: Path) -> None:
    """Add pure packages beside the standard library; without `site` Python looks nowhere else."""
    own, compiled = packages / "workqueuejob", find_compiled_packages(packages)
    needed = find_own_modules(packages)
    for source in find_sources(packages):
        name = source.relative_to(packages)
        if name.parts[0] in compiled:
            continue
        if source in needed or not source.is_relative_to(own):
            add_module(archive, source, name)


def copy_compiled_packages(packages: Path, library: Path) -> list[Path]:
    """Copy packages with machine code, which can't be loaded from an archive.

    Returns the original files with machine code.
    """
    left_out, copied = read_left_out(), []
    for package in find_compiled_packages(packages):
        for source in find_sources(packages / package):
            name = source.relative_to(packages)
            if not is_left_out(name, left_out):
                target = (library / name).with_suffix(".pyc")
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(compile_module(source, name))
        for extension in (packages / package).rglob("*.so"):
            shutil.copy(extension, library / extension.relative_to(packages))
            copied.append(extension)
    return copied


def find_compiled_packages(packages: Path) -> set[str]:
    """Return the names of the packages that hold modules in machine code."""
    return {path.relative_to(packages).parts[0] for path in packages.rglob("*.cpython-*.so")}


def add_module(archive: ZipFile, source: Path, name: Path) -> None:
    """Add a module's bytecode under the name that Python looks for when there is no source."""
    code = compile_module(source, name)
    archive.writestr(ZipInfo(str(name.with_suffix(".pyc"))), code)


def copy_extensions(target: Path) -> list[Path]:
    """Copy the standard library's modules in machine code; return the original files."""
    target.mkdir()
    extensions = sorted((STANDARD_LIBRARY / "lib-dynload").glob("*.so"))
    kept = [path for path in extensions if not LEFT_OUT_EXTENSIONS.match(path.name)]
    for path in kept:
        shutil.copy(path, target)
    return kept


def copy_libraries(programs: list[Path], target: Path) -> None:
    """Copy the libraries of the programs, and the loader under one name for all machine types."""
    listing = subprocess.run(["ldd", *programs], check=True, text=True, stdout=subprocess.PIPE)
    libraries = {Path(path) for path in re.findall(r"=> (/\S+)", listing.stdout)}
    loader = re.search(r"^\s+(/\S*/ld-linux\S*)", listing.stdout, re.MULTILINE)
    if loader is None:
        sys.exit(f"{PYTHON} is not linked with glibc's loader; use a base image with glibc")
    shutil.copy(loader[1], target / "bin" / "loader")
    (libc,) = (path for path in libraries if path.name == "libc.so.6")
    beside = (libc.parent / name for name in OPENED_LATER)
    for path in {*libraries, *(path for path in beside if path.exists())}:
        shutil.copy(path, target / "lib" / path.name)


def find_sources(folder: Path) -> Iterator[Path]:
    """Find modules in source, without packages installed below the standard library."""
    for directory, names, files in os.walk(folder):
        names[:] = [name for name in names if "-" not in name and name != "__pycache__"]
        yield from (Path(directory, file) for file in files if file.endswith(".py"))


def find_left_behind(packages: Path) -> frozenset[str]:
    """Return the names of the modules that left_out.txt keeps out of the runtime."""
    left_out = read_left_out()
    candidates = [(STANDARD_LIBRARY, source) for source in find_sources(STANDARD_LIBRARY)]
    for package in find_compiled_packages(packages):
        candidates += [(packages, source) for source in find_sources(packages / package)]
    names = (source.relative_to(root) for root, source in candidates)
    return frozenset(
        name_module(name).removesuffix(".__init__") for name in names if is_left_out(name, left_out)
    )


def read_left_out() -> frozenset[str]:
    """Return the modules in left_out.txt, which no worker needs."""
    lines = LEFT_OUT.read_text().splitlines()
    return frozenset(word for line in lines if not line.startswith("#") for word in line.split())


def is_left_out(name: Path, left_out: frozenset[str]) -> bool:
    """Return whether a module, or a package that it is in, is left out."""
    parts = name.with_suffix("").parts
    if parts[0] == "encodings":
        return KEPT_ENCODINGS.match(parts[1]) is None
    return any(".".join(parts[: end + 1]) in left_out for end in range(len(parts)))


def compile_module(source: Path, name: Path) -> bytes:
    """Return a module's bytecode in the format of a .pyc file.

    Assertions stay. Docstrings go, because they are half of the size.
    """
    tree = ast.parse(source.read_bytes())
    remove_docstrings(tree)
    code = compile(tree, str(name), "exec", dont_inherit=True, optimize=0)
    # PEP 552: flags, then zeros for the time and the size of the source.
    return importlib.util.MAGIC_NUMBER + bytes(12) + marshal.dumps(code)


def remove_docstrings(tree: ast.AST) -> None:
    """Remove all docstrings; a body that would be empty becomes `pass`."""
    for node in ast.walk(tree):
        match node:
            case (
                ast.Module(body=body)
                | ast.ClassDef(body=body)
                | ast.FunctionDef(body=body)
                | ast.AsyncFunctionDef(body=body)
            ) if body and isinstance(body[0], ast.Expr):
                if isinstance(getattr(body[0].value, "value", None), str):
                    body[:1] = [] if len(body) > 1 else [ast.copy_location(ast.Pass(), body[0])]


if __name__ == "__main__":
    main()
