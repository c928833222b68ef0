"""Chooses ports for the servers that tests start."""

import random
import socket
from contextlib import ExitStack, suppress
from pathlib import Path

LOWEST = 10_000
CLIENT_PORTS = Path("/proc/sys/net/ipv4/ip_local_port_range")


def find_free_ports(count: int) -> list[int]:
    """Return different ports of 127.0.0.1 on which no process listens now.

    They are below those that the kernel gives to clients: one of these might take the port of a
    server while it is started again.
    """
    highest = int(CLIENT_PORTS.read_text().split()[0])
    candidates = iter(random.sample(range(LOWEST, highest), k=highest - LOWEST))
    ports: list[int] = []
    with ExitStack() as stack:
        while len(ports) < count:
            port, bound = next(candidates), stack.enter_context(socket.socket())
            with suppress(OSError):
                bound.bind(("127.0.0.1", port))
                ports.append(port)
    return ports
