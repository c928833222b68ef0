"""The runtime that travels into pods, made for tests from the Python that runs them."""

import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from dev.worker.make_runtime import make_runtime
from workqueuejob.planning.pods.injection import LAUNCHER, MOUNT_PATH

__all__ = ["copy_packages", "launcher_command", "python_command", "worker_runtime"]

REDIS_NEEDS_IT_BEFORE_3_11_3 = "async_timeout"
PACKAGES = ("confluent_kafka", "pika", "redis", REDIS_NEEDS_IT_BEFORE_3_11_3, "workqueuejob")


def copy_packages(target: Path) -> None:
    """Fill a folder as the worker's image fills its site-packages."""
    for name in PACKAGES:
        spec = find_spec(name)
        if spec is not None and spec.origin is not None:
            package = Path(spec.origin).parent
            shutil.copytree(package, target / name)
            if (libraries := package.with_name(f"{name}.libs")).exists():
                shutil.copytree(libraries, target / libraries.name)


def launcher_command(runtime: Path) -> list[str]:
    """Return how a pod starts the worker, with the runtime where it is now."""
    return [
        f"{runtime}{word.removeprefix(MOUNT_PATH)}" if word.startswith(f"{MOUNT_PATH}/") else word
        for word in LAUNCHER
    ]


def python_command(runtime: Path) -> list[str]:
    """Return how a pod starts the runtime's interpreter."""
    return launcher_command(runtime)[:-2]


@pytest.fixture(scope="session")
def worker_runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A runtime as it travels, for the session (for each worker under pytest-xdist)."""
    folder = tmp_path_factory.mktemp("runtime")
    copy_packages(folder / "packages")
    make_runtime(folder / "packages", folder / "wqj")
    shutil.rmtree(folder / "packages")
    yield folder / "wqj"
    shutil.rmtree(folder / "wqj")
