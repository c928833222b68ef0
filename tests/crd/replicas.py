"""Processes of the operator, side by side against one API server."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import urllib3
from kubernetes import client

from dev.servers.ports import find_free_ports

from .api_server import ApiServer
from .waiting import wait_for

LEASE_NAME = "replicas-test"
OPERATOR = str(Path(sys.executable).with_name("workqueuejob-operator"))


@dataclass(frozen=True, slots=True)
class Replica:
    """One process of the operator."""

    identity: str
    process: subprocess.Popen[bytes]
    port: int
    log_path: Path

    def get(self, path: str) -> tuple[int, str]:
        """Return status and body of what it serves; status 0 when it serves nothing."""
        try:
            answer = urllib3.request(
                "GET", f"http://127.0.0.1:{self.port}{path}", retries=False, timeout=2
            )
        except urllib3.exceptions.HTTPError as error:
            return 0, str(error)
        return answer.status, answer.data.decode()

    def await_ready(self, *, seconds: float) -> None:
        """Wait until it says that it is ready; fail when that takes longer."""
        wait_for(
            lambda: self.get("/readyz")[0] == 200,
            seconds=seconds,
            what=f"readiness of {self.identity}",
        )

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def log(self) -> str:
        return self.log_path.read_text()


@dataclass(frozen=True, slots=True)
class Election:
    """The Lease that the replicas of one installation share."""

    api_server: ApiServer
    directory: Path
    lease_name: str = LEASE_NAME

    @contextmanager
    def running(
        self,
        identity: str,
        *,
        kubeconfig: Path | None = None,
        namespaces: Sequence[str] = ("default",),
        options: Sequence[str] = (),
        program: Sequence[str] = (OPERATOR, "run"),
    ) -> Iterator[Replica]:
        """Run a replica until the context ends; by default straight to the API server.

        namespaces: those that it serves; none are all. options: further ones of the command line.
        program: takes the operator's options.
        """
        (port,) = find_free_ports(1)
        log_path = self.directory / f"{identity}.log"
        command = [
            *program, *(f"--namespace={name}" for name in namespaces),
            f"--http-port={port}", f"--identity={identity}", "--allowed-address=127.0.0.0/8",
            "--lease-namespace=default", f"--lease-name={self.lease_name}",
            *options,
        ]  # fmt: skip
        environment = {**os.environ, "KUBECONFIG": str(kubeconfig or self.api_server.kubeconfig)}
        with log_path.open("wb") as log:
            process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            yield Replica(identity, process, port, log_path)
        finally:
            process.kill()
            process.wait()

    def lease(self) -> Any:
        """Return the Lease's spec; raises ApiException when there is none."""
        api = client.CoordinationV1Api(self.api_server.objects.api_client)
        return api.read_namespaced_lease(self.lease_name, "default").spec

    def holder(self) -> str:
        """Return who holds the Lease; empty when nobody does."""
        try:
            return self.lease().holder_identity or ""
        except client.ApiException as error:
            if error.status == 404:
                return ""
            raise

    def remove(self) -> None:
        """Delete the Lease, so that the next test begins without."""
        client.CoordinationV1Api(self.api_server.objects.api_client).delete_namespaced_lease(
            self.lease_name, "default"
        )
