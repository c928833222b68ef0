"""Forwards ports of this machine to a Service in the cluster, with kubectl."""

import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from dev.environment import Cluster

_FORWARDED = re.compile(r"127\.0\.0\.1:(\d+) -> (\d+)")


@contextmanager
def forwarded_ports(
    cluster: Cluster, namespace: str, service: str, *ports: int
) -> Iterator[dict[int, int]]:
    """Yield the port of this machine for each port of the Service, until the context ends."""
    listed = (f":{port}" for port in ports)
    command = (
        *cluster.kubectl_command, "port-forward", "-n", namespace, f"service/{service}", *listed,
    )  # fmt: skip
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            yield _read_ports(process, len(ports))
        finally:
            process.terminate()


def _read_ports(process: subprocess.Popen[str], count: int) -> dict[int, int]:
    ports: dict[int, int] = {}
    assert process.stdout is not None
    for line in process.stdout:
        forwarded = _FORWARDED.search(line)
        if forwarded:
            ports[int(forwarded.group(2))] = int(forwarded.group(1))
        if len(ports) == count:
            # kubectl prints a line for each connection, and blocks when the pipe is full.
            threading.Thread(target=process.stdout.read, daemon=True).start()
            return ports
    raise AssertionError(f"port-forward ended with {process.wait()}")
