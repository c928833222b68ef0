"""Checks that the runtime has every module that its code imports.

An import inside a function, or in machine code, fails only when it is executed, which may be when
the first item is dead-lettered. So this reads all bytecode for imports, and machine code for the
names of modules that were left out. A missing module must have its reason in absent.txt. Only the
standard library is imported; nothing is changed.
"""

import marshal
import re
import subprocess
import sys
from collections.abc import Iterator
from modulefinder import ModuleFinder
from pathlib import Path
from types import CodeType
from zipfile import ZipFile

HERE = Path(__file__).parent
ABSENT = HERE / "absent.txt"
MACHINE_CODE = ".cpython-*.so"
PYC_HEADER_BYTES = 16

IMPORT_ALL = """
import importlib, pkgutil, socket, sys
import encodings.idna, ssl
import workqueuejob.brokers, workqueuejob.contract, workqueuejob.worker
for package in (workqueuejob.brokers, workqueuejob.contract, workqueuejob.worker):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
socket.getaddrinfo("localhost", 80)
strangers = sorted(name for name, module in sys.modules.items()
                   if not (getattr(module, "__file__", None) or sys.prefix).startswith(sys.prefix))
sys.exit("not from the runtime: " + ", ".join(strangers) if strangers else 0)
"""

FIND = """
import sys
from importlib.util import find_spec
for name in sys.argv[1:]:
    try:
        is_there = name in sys.modules or find_spec(name) is not None
    except ImportError:
        is_there = False
    if not is_there:
        print(name)
"""


def check_runtime(target: Path, left_behind: frozenset[str]) -> None:
    """Exit with a message unless the runtime has all that a worker and its clients import.

    left_behind: the modules that left_out.txt keeps out. Imports within the standard library are
    not checked here, because versions of Python differ in them; the tests check those of theirs.
    """
    run_python(target, IMPORT_ALL)
    missing = {
        name: by
        for name, by in find_missing(target, left_behind).items()
        if not all(module.partition(".")[0] in sys.stdlib_module_names for module in by)
    }
    if missing:
        lines = (f"  {name}, imported by {', '.join(by)}" for name, by in sorted(missing.items()))
        sys.exit(
            f"{target} lacks what its code imports; take it off left_out.txt, or give the reason"
            " in absent.txt:\n" + "\n".join(lines)
        )


def find_missing(target: Path, left_behind: frozenset[str]) -> dict[str, list[str]]:
    """Return each module that the runtime lacks without a reason, and what imports it."""
    importers: dict[str, set[str]] = {}
    for module, code in read_bytecode(target):
        for name in find_imports(module, code, left_behind):
            importers.setdefault(name, set()).add(module)
    for path in sorted(target.rglob(f"*{MACHINE_CODE}")):
        for name in find_names(path.read_bytes(), left_behind):
            importers.setdefault(name, set()).add(path.name.partition(".")[0])
    absent = read_absent()
    asked = [name for name in sorted(importers) if not is_absent(name, absent)]
    lacking = run_python(target, FIND, *asked).split()
    return {name: sorted(importers[name]) for name in lacking}


def read_bytecode(target: Path) -> Iterator[tuple[str, CodeType]]:
    """Yield name and code of every module; a package's name ends in .__init__."""
    for library in (target / "lib").glob("python3*"):
        if library.is_dir():
            for path in library.rglob("*.pyc"):
                yield name_module(path.relative_to(library)), load(path.read_bytes())
            continue
        with ZipFile(library) as archive:
            for name in archive.namelist():
                yield name_module(Path(name)), load(archive.read(name))


def find_imports(module: str, code: CodeType, left_behind: frozenset[str]) -> Iterator[str]:
    """Yield the modules that a module's code imports, in functions as well."""
    for kind, operands in ModuleFinder().scan_opcodes(code):
        match kind, operands:
            case "absolute_import", (names, base):
                pass
            case "relative_import", (level, names, base):
                parents = module.split(".")[:-level]
                base = ".".join([*parents, *([base] if base else [])])
            case _:
                continue
        yield base
        # A name may be a module or a module's member; only modules that were left out are known.
        members = (f"{base}.{name}" for name in names or ())
        yield from (member for member in members if member in left_behind)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from find_imports(module, constant, left_behind)


def find_names(machine_code: bytes, left_behind: frozenset[str]) -> set[str]:
    """Return the modules left out that machine code names; a word without a dot is none."""
    words = re.findall(rb"(?<=\0)[A-Za-z_]\w*(?:\.\w+)+(?=\0)", machine_code)
    return {word.decode() for word in words} & left_behind


def read_absent() -> frozenset[str]:
    """Return the modules in absent.txt."""
    lines = ABSENT.read_text().splitlines()
    return frozenset(word for line in lines if not line.startswith("#") for word in line.split())


def is_absent(name: str, absent: frozenset[str]) -> bool:
    """Return whether a module, or a package that it is in, is known to be missing."""
    parts = name.split(".")
    return any(".".join(parts[: end + 1]) in absent for end in range(len(parts)))


def name_module(path: Path) -> str:
    """Return the name of the module in a file."""
    return ".".join(path.with_suffix("").parts)


def load(pyc: bytes) -> CodeType:
    """Return the code in a file of bytecode."""
    code: CodeType = marshal.loads(pyc[PYC_HEADER_BYTES:])  # noqa: S302 - make_runtime wrote it
    return code


def run_python(target: Path, code: str, *arguments: str) -> str:
    """Return what code prints under the runtime's interpreter; raise CalledProcessError."""
    loader = [f"{target}/bin/loader", "--inhibit-cache", "--library-path", f"{target}/lib"]
    python = [f"{target}/bin/python3", "-I", "-S", "-X", "utf8"]
    command = [*loader, *python, "-c", code, *arguments]
    return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout
