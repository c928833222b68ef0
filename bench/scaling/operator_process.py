"""Runs the operator as the chart runs it: its arguments, variables, account and memory limit.

It differs from a pod in this: it is a process of this machine's user with the checkout's packages,
it reads a kubeconfig instead of a mounted token, and nothing starts it again when it ends.
"""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import urllib3
import yaml

from dev.environment import CHART, NAMESPACE, RELEASE, ROOT
from dev.local.binaries import find_kubernetes_version
from dev.local.certificates import Identity
from dev.local.commands import run
from dev.local.layout import TOOLS_DIR
from dev.servers.ports import find_free_ports

from .usage import MemoryGroup, Usage, memory_group, read_usage

Manifest = dict[str, Any]

IDENTITY = Identity(
    "operator", f"system:serviceaccount:{NAMESPACE}:{RELEASE}", "system:serviceaccounts"
)
"""The client certificate's user, which has the chart's rights and is in the audit log."""

_PROBE_SECONDS = 0.2
_PROBE_TIMEOUT_SECONDS = 30.0
_STOP_SECONDS = 20.0
_INTO_GROUP = 'echo $$ >"$1" && shift && exec "$@"'


class OperatorEnded(Exception):
    """The operator's process has ended before the bench ended it."""


@dataclass(frozen=True, slots=True)
class Installation:
    """The chart, rendered."""

    manifests: Sequence[Manifest]

    @property
    def deployment(self) -> Manifest:
        """The operator's Deployment."""
        return next(each for each in self.manifests if each["kind"] == "Deployment")

    @property
    def others(self) -> Sequence[Manifest]:
        """Everything but the Deployment."""
        return [each for each in self.manifests if each["kind"] != "Deployment"]

    @property
    def container(self) -> Manifest:
        """The operator's container."""
        container: Manifest = self.deployment["spec"]["template"]["spec"]["containers"][0]
        return container

    @property
    def limit_megabytes(self) -> int:
        """Its memory limit."""
        limit = self.container["resources"]["limits"]["memory"]
        found = re.fullmatch(r"(\d+)(Mi|Gi)", limit)
        if found is None:
            raise ValueError(f"the memory limit {limit!r} is neither in Mi nor in Gi")
        return int(found[1]) * (1024 if found[2] == "Gi" else 1)


def render_chart(helm: Path, values: Mapping[str, str]) -> Installation:
    """Return the chart with these values, which are in the form of `--set`."""
    command = [str(helm), "template", RELEASE, str(CHART), "--namespace", NAMESPACE]
    # Helm's own guess at the cluster's version is an older one.
    command.append(f"--kube-version={find_kubernetes_version((TOOLS_DIR / 'go.mod').read_text())}")
    command += [f"--set={name}={value}" for name, value in values.items()]
    text = run(command)
    return Installation([each for each in yaml.safe_load_all(text) if each])


@dataclass
class OperatorProcess:
    """The process, while it runs or after its end."""

    process: subprocess.Popen[bytes]
    port: int
    started_at: float
    """On the machine's clock."""
    log: Path
    group: MemoryGroup | None
    longest_answer_seconds: float = 0.0
    """The longest time that its liveness probe has waited for an answer, since it first had one."""
    ready_at: float | None = None
    """When it was ready first, on the machine's clock."""
    _stop: threading.Event = field(default_factory=threading.Event)

    def read_usage(self) -> Usage:
        """Return what it uses; raises OperatorEnded."""
        self.check()
        try:
            return read_usage(self.process.pid)
        except FileNotFoundError:
            self.process.wait()
            self.check()
            raise

    def check(self) -> None:
        """Raise OperatorEnded if it has ended."""
        code = self.process.poll()
        if code is None:
            return
        kills = self.group.count_kills() if self.group else 0
        cause = "killed at its memory limit" if kills else f"exit code {code}"
        lived = time.time() - self.started_at
        raise OperatorEnded(
            f"{cause} within {lived:.0f} s of its start; its log: {self._log_end()}"
        )

    def probe(self) -> None:
        """Ask as the kubelet does, but more often, until the bench is done with it."""
        http = urllib3.PoolManager(retries=False, timeout=_PROBE_TIMEOUT_SECONDS)
        is_up = False
        while not self._stop.wait(_PROBE_SECONDS):
            asked = time.monotonic()
            try:
                path = "healthz" if self.ready_at else "readyz"
                answer = http.request("GET", f"http://127.0.0.1:{self.port}/{path}")
            except urllib3.exceptions.HTTPError:
                if not is_up or self.process.poll() is not None:
                    continue
            else:
                is_up = True
                if path == "readyz" and answer.status == 200:
                    self.ready_at = time.time()
            waited = time.monotonic() - asked
            self.longest_answer_seconds = max(self.longest_answer_seconds, waited)

    def end(self) -> None:
        """End it with SIGTERM, or by force."""
        self._stop.set()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(_STOP_SECONDS)
        self.process.kill()
        self.process.wait()

    def _log_end(self) -> str:
        return self.log.read_text(errors="replace")[-1500:]


@contextmanager
def running_operator(
    installation: Installation, kubeconfig: Path, log: Path
) -> Iterator[OperatorProcess]:
    """Run the operator for the duration of the block."""
    (port,) = find_free_ports(1)
    command, environment = build_command(installation, port=port)
    environment |= {"KUBECONFIG": str(kubeconfig), "PATH": os.environ["PATH"], "HOME": "/"}
    with memory_group(installation.limit_megabytes) as group, log.open("ab") as sink:
        if group is not None:
            command = ["sh", "-c", _INTO_GROUP, "sh", str(group.members), *command]
        started_at = time.time()
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "--", *command],
            env=environment, cwd="/", stdin=subprocess.DEVNULL, stdout=sink, stderr=sink,
        )  # fmt: skip
        operator = OperatorProcess(process, port, started_at, log, group)
        prober = threading.Thread(target=operator.probe, daemon=True)
        prober.start()
        try:
            yield operator
        finally:
            operator.end()
            prober.join(_PROBE_TIMEOUT_SECONDS)


def build_command(installation: Installation, *, port: int) -> tuple[list[str], dict[str, str]]:
    """Return the container's command and its variables, with another port."""
    container = installation.container
    pod = {
        "metadata.name": f"{RELEASE}-0",
        "metadata.uid": f"bench-{os.getpid()}-{time.time_ns()}",
        "metadata.namespace": NAMESPACE,
    }
    variables = {
        each["name"]: each["value"] if "value" in each
        else pod[each["valueFrom"]["fieldRef"]["fieldPath"]]
        for each in container["env"]
    }  # fmt: skip
    # The kubelet replaces `$(NAME)` in arguments.
    arguments = [
        re.sub(r"\$\((\w+)\)", lambda found: variables[found[1]], argument)
        for argument in container["args"]
        if not argument.startswith("--http-port=")
    ]
    program = Path(sys.executable).with_name("workqueuejob-operator")
    return [str(program), *arguments, f"--http-port={port}"], variables | read_image_variables()


def read_image_variables() -> dict[str, str]:
    """Return the variables that the operator's image sets, without PATH."""
    lines = re.findall(r"^ENV (.+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    words = (word.partition("=") for word in lines[-1].split())
    return {name: value for name, _, value in words if name != "PATH"}


def to_json(manifests: Sequence[Manifest]) -> str:
    """Return manifests as kubectl reads them."""
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": list(manifests)})
