"""Builds programs from the Go modules in tools/, and keeps them by a hash of their module.

One module has the cluster's programs. kwok has one of its own, because it needs Kubernetes'
libraries of another version.
"""

import hashlib
import os
import re
import shutil
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from dev.local.commands import last_lines
from dev.local.console import step
from dev.local.errors import PackagesUnavailable
from dev.local.layout import TOOLS_DIR, Layout
from dev.local.lock import exclusive
from dev.local.toolchain import Go, count_packages, find_go, parse_go_version

PROGRAMS = (
    "coredns",
    "etcd",
    "helm",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-proxy",
    "kube-scheduler",
    "kubectl",
    "kubelet",
)
UNUSED_SECONDS = 7 * 24 * 3600
# Go calls a program by its main package, which is `server` in etcd's module.
BUILT_AS = {"server": "etcd"}


@dataclass(frozen=True, slots=True)
class Module:
    """A Go module whose tools are built together."""

    directory: Path
    programs: tuple[str, ...]
    title: str
    expect: str
    """How long a build takes, for people."""
    ldflags: str = "-s -w"


def find_kubernetes_version(go_mod: str) -> str:
    """Return Kubernetes' version in a go.mod, such as v1.36.3; raises ValueError."""
    match = re.search(r"^\s*(?:require )?k8s\.io/kubernetes (v\d+\.\d+\.\d+)", go_mod, re.MULTILINE)
    if match is None:
        raise ValueError("go.mod does not require k8s.io/kubernetes")
    return match.group(1)


def build_ldflags(version: str) -> str:
    """Return the linker's options that set Kubernetes' version.

    Without them the programs have version v0.0.0-master, and kubectl warns about the difference.
    """
    major, minor, _ = version.removeprefix("v").split(".")
    base = "k8s.io/component-base/version"
    values = {"gitVersion": version, "gitMajor": major, "gitMinor": minor}
    return "-s -w " + " ".join(f"-X {base}.{name}={value}" for name, value in values.items())


def build_cache_key(go_mod: str, go_sum: str, ldflags: str) -> str:
    """Return a hash that differs for other sources, options and machine types."""
    return hashlib.sha256(
        "\0".join((go_mod, go_sum, ldflags, os.uname().machine)).encode()
    ).hexdigest()[:16]


def ensure_binaries(layout: Layout) -> Path:
    """Build Kubernetes' PROGRAMS unless they are there, and return their directory.

    Raises PackagesUnavailable.
    """
    version = find_kubernetes_version((TOOLS_DIR / "go.mod").read_text())
    module = Module(
        TOOLS_DIR,
        PROGRAMS,
        title=f"Kubernetes {version}",
        expect="about 6 minutes on 2 cores the first time",
        ldflags=build_ldflags(version),
    )
    return _ensure(layout, module)


def ensure_kwok(layout: Layout) -> Path:
    """Build kwok unless it is there, and return the program; raises PackagesUnavailable."""
    module = Module(
        TOOLS_DIR / "kwok",
        ("kwok",),
        title="kwok, for fake nodes,",
        expect="about 2 minutes on 2 cores the first time",
    )
    return _ensure(layout, module) / "kwok"


def _ensure(layout: Layout, module: Module) -> Path:
    """Build a module's programs unless they are there, and return their directory."""
    go_mod, go_sum = (
        (module.directory / "go.mod").read_text(),
        (module.directory / "go.sum").read_text(),
    )
    store = layout.cache / "bin"
    target = store / build_cache_key(go_mod, go_sum, module.ldflags)
    if target.is_dir():
        os.utime(target)
        return target
    with exclusive(layout.cache / "bin.lock"):
        if not target.is_dir():
            store.mkdir(parents=True, exist_ok=True)
            wanted = parse_go_version("go" + go_mod.split("\ngo ", 1)[1].splitlines()[0])
            go = find_go(wanted=wanted, cache=layout.cache, log=layout.cache / "build.log")
            environment = {
                **os.environ,
                **go.environment(wanted),
                "CGO_ENABLED": "0",
                "GOFLAGS": "-mod=readonly",
            }
            _build(go, environment, target, module=module, log=layout.cache / "build.log")
            remove_unused(store)
    return target


def remove_unused(store: Path) -> None:
    """Remove builds that no checkout has used for a week: half a gigabyte each.

    A program that still runs keeps its file.
    """
    for build in store.iterdir():
        if time.time() - build.stat().st_mtime > UNUSED_SECONDS:
            shutil.rmtree(build, ignore_errors=True)


def _build(go: Go, environment: dict[str, str], target: Path, *, module: Module, log: Path) -> None:
    unfinished = target.with_suffix(".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    progress = _Progress()
    title = f"build {module.title} from Go modules"
    with step(title, expect=module.expect, detail=progress.describe):
        progress.total = count_packages(go, environment, module.directory)
        words = ["build", "-v", "-trimpath", "-ldflags", module.ldflags]
        command = [str(go.program), *words, "-o", f"{unfinished}/", "tool"]
        _run_go(command, module.directory, environment, progress=progress, log=log)
        for program in sorted(unfinished.iterdir()):
            program.rename(unfinished / BUILT_AS.get(program.name, program.name))
        missing = ", ".join(name for name in module.programs if not (unfinished / name).exists())
        if missing:
            raise PackagesUnavailable(
                f"go build made no {missing}; is its tool in {module.directory}/go.mod?"
            )
        unfinished.rename(target)


def _run_go(
    command: list[str],
    directory: Path,
    environment: dict[str, str],
    *,
    progress: "_Progress",
    log: Path,
) -> None:
    with subprocess.Popen(
        command,
        cwd=directory,
        env=environment,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as building:
        reader = threading.Thread(target=progress.follow, args=(building.stderr, log), daemon=True)
        reader.start()
        try:
            code = building.wait()
        except BaseException:
            # Go ends its compilers when it is ended.
            building.terminate()
            raise
        reader.join()
    if code != 0:
        raise PackagesUnavailable(
            f"go build ended with {code}:\n{last_lines(log.read_text())}\n"
            "check that Go can reach its module proxy (`go env GOPROXY`)"
        )


class _Progress:
    """How far `go build -v` is, which prints one package a line."""

    def __init__(self) -> None:
        self.total = 0
        self._done = 0
        self._last = "reading the modules"

    def follow(self, lines: IO[str], log: Path) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("w") as sink:
            for line in lines:
                sink.write(line)
                sink.flush()
                if line.startswith("go: "):
                    self._last = line.removeprefix("go: ").strip()
                else:
                    self._done += 1
                    self._last = line.strip()

    def describe(self) -> str:
        of_total = f" of at most {self.total}" if self.total else ""
        return f"{self._done}{of_total} packages, {self._last}"
