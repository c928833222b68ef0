"""The runtime that travels: made from the Python that runs this, started as a pod starts it."""

import ast
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from zipfile import ZipFile

import pytest

from dev.worker.check_runtime import check_runtime, find_imports, find_missing, find_names
from dev.worker.make_runtime import (
    find_left_behind,
    is_left_out,
    make_runtime,
    read_left_out,
    remove_docstrings,
)
from tests.unit.worker.processes import as_in_a_pod
from tests.worker_runtime import copy_packages, launcher_command, python_command

ROOT = Path(__file__).resolve().parents[2]
MAIN = '''
"""Gives its command to the system, as the worker does with an item."""
import os, sys

def main() -> int:
    """Run the command."""
    arguments = sys.argv[1:]
    command = arguments[arguments.index("--") + 1:]
    return os.spawnvp(os.P_WAIT, command[0], command)
'''


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the worker's image has installed, with a program that tells what it was given."""
    packages = tmp_path_factory.mktemp("packages")
    copy_packages(packages)
    (packages / "workqueuejob" / "worker" / "main.py").write_text(MAIN)
    return packages


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory, packages: Path) -> Path:
    """A runtime that is not where it was made."""
    folder = tmp_path_factory.mktemp("runtime")
    make_runtime(packages, folder / "made")
    return (folder / "made").rename(folder / "moved")


def run(runtime: Path, *command: str, env: Mapping[str, str] | None = None) -> str:
    """Run a command under the worker, with nothing in the environment unless given."""
    return start([*launcher_command(runtime), "--", *command], env or {})


def test_commands_of_an_injected_worker_cannot_read_its_environment(runtime: Path) -> None:
    code = (
        "import os; from workqueuejob.worker.process import hide_from_commands;"
        " print(hide_from_commands(), flush=True);"
        " os.system('cat /proc/$PPID/environ 2>/dev/null || echo refused')"
    )
    command = [*as_in_a_pod(), *python_command(runtime), "-c", code]
    said = start(command, {"PATH": os.environ["PATH"], "WQJ_BROKER_PASSWORD": "s3cret"})
    assert said.split() == ["True", "refused"]


def python(runtime: Path, code: str, env: Mapping[str, str] | None = None) -> str:
    return start([*python_command(runtime), "-c", code], env or {})


def start(command: list[str], env: Mapping[str, str]) -> str:
    done = subprocess.run(
        command, env=dict(env), cwd="/", check=True, text=True, stdout=subprocess.PIPE
    )
    return done.stdout


def test_runtime_has_all_that_the_worker_imports(runtime: Path) -> None:
    check_runtime(runtime, frozenset())


def test_nothing_in_the_runtime_imports_what_it_lacks(runtime: Path, packages: Path) -> None:
    """Wherever the import stands: in a function, in a package's machine code."""
    assert find_missing(runtime, find_left_behind(packages)) == {}


def test_module_that_only_machine_code_imports_is_seen(runtime: Path) -> None:
    """Kafka's client imports it when it is asked for a topic, as before the first dead letter."""
    (client,) = runtime.rglob("cimpl.cpython-*.so")
    modules = frozenset({"confluent_kafka.admin", "confluent_kafka.avro"})

    assert find_names(client.read_bytes(), modules) == {"confluent_kafka.admin"}


def test_imports_in_functions_and_of_siblings_are_read() -> None:
    code = compile(
        "import json\ndef f():\n    from . import two\n    from ..three import four\n",
        "module",
        "exec",
    )

    found = set(find_imports("package.inner.one", code, frozenset({"package.inner.two"})))

    assert found == {"json", "package.inner", "package.inner.two", "package.three"}


def test_runtime_holds_nothing_of_the_operator(runtime: Path) -> None:
    (archive,) = (runtime / "lib").glob("python3*.zip")
    modules = ZipFile(archive).namelist()

    own = {Path(name).parts[1] for name in modules if name.startswith("workqueuejob/")}

    assert own == {"__init__.pyc", "errors.pyc", "contract", "brokers", "worker"}
    assert not [
        name for name in modules if Path(name).stem in {"probe", "resolve", "depth", "traits"}
    ]
    assert not [name for name in modules if name.startswith("pydantic")]


def test_kafkas_client_brings_its_library_along(runtime: Path) -> None:
    said = python(runtime, "import confluent_kafka as k; print(k.libversion()[0], k.__file__)")

    assert "lib/python3" in said
    assert list((runtime / "lib").glob("librdkafka*"))
    assert not list(runtime.rglob("schema_registry"))


def test_runtime_is_few_files(runtime: Path) -> None:
    """Every pod waits until they are copied."""
    assert sum(path.is_file() for path in runtime.rglob("*")) < 100


def test_every_user_may_read_and_start_it(runtime: Path) -> None:
    unreadable = [path for path in runtime.rglob("*") if not path.stat().st_mode & 0o004]

    assert unreadable == []
    assert all((runtime / "bin" / name).stat().st_mode & 0o001 for name in ("loader", "python3"))


def test_command_gets_the_environment_and_nothing_else(runtime: Path) -> None:
    given = {"PATH": os.environ["PATH"], "NAME": "apple"}

    seen = dict(line.split("=", 1) for line in run(runtime, "env", env=given).splitlines())

    assert seen == given


def test_locale_that_the_image_set_stays(runtime: Path) -> None:
    given = {"PATH": os.environ["PATH"], "LC_CTYPE": "C.UTF-8"}

    assert "LC_CTYPE=C.UTF-8" in run(runtime, "env", env=given)


def test_image_has_no_say_in_what_the_worker_imports(runtime: Path, tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('not the runtime own')")
    hostile = {"PYTHONPATH": str(tmp_path), "PYTHONHOME": "/none", "LD_LIBRARY_PATH": "/none"}

    assert python(runtime, "import json, sys; print(sys.prefix)", hostile).strip() == str(runtime)


def test_name_of_a_host_is_found_without_the_images_help(runtime: Path) -> None:
    code = "import socket; print(socket.getaddrinfo('localhost', 80)[0][4][1])"

    assert python(runtime, code).strip() == "80"


@pytest.mark.skipif(
    not Path("/etc/ssl/certs/ca-certificates.crt").exists(), reason="no ca-certificates here"
)
def test_certificates_travel_too(runtime: Path) -> None:
    code = (
        "import ssl, sys; context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT);"
        "context.load_verify_locations(f'{sys.prefix}/etc/ca-certificates.crt');"
        "print(len(context.get_ca_certs()))"
    )

    assert int(python(runtime, code)) > 0


@pytest.mark.parametrize(
    ("module", "left_out"),
    [
        ("test/support/__init__.py", True),
        ("turtle.py", True),
        ("ctypes/test/test_cast.py", True),
        ("ctypes/util.py", False),
        ("encodings/cp1252.py", True),
        ("encodings/idna.py", False),
        ("email/mime/text.py", False),
    ],
)
def test_modules_are_left_out_by_their_whole_names(module: str, *, left_out: bool) -> None:
    assert is_left_out(Path(module), read_left_out()) is left_out


def test_docstrings_go_and_assertions_stay() -> None:
    tree = ast.parse(
        '"""Says."""\nclass A:\n    """Says."""\ndef f(x):\n    "Says."\n    assert x\n'
    )

    remove_docstrings(tree)

    assert ast.unparse(tree) == "class A:\n    pass\n\ndef f(x):\n    assert x"
