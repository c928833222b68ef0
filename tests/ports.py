"""Ports for the servers that tests start."""

import socket
from contextlib import ExitStack


def find_free_ports(count: int) -> list[int]:
    """Return ports of 127.0.0.1 that nobody listens on now; no two are the same."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]
