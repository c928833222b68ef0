"""Looks a host up, and leaves out the addresses that may not be connected to.

Clients connect to the addresses of this answer and don't look the name up again, because its owner
could answer differently then.
"""

import socket

from workqueuejob.brokers.connection import AddressInfo, Reach


def look_up(host: str, port: int, reach: Reach | None) -> list[AddressInfo]:
    """Return the host's addresses; raise HostNotAllowed, or what getaddrinfo raises.

    reach: None without limits.
    """
    addresses = _find(host, port)
    return addresses if reach is None else reach.choose(host, port, addresses)


def check_every_address(host: str, port: int, reach: Reach) -> None:
    """Raise HostNotAllowed unless each of a host's addresses may be connected to.

    For a client that looks the host up itself, and chooses. Raises what getaddrinfo raises, too.
    """
    for info in _find(host, port):
        reach.choose(host, port, [info])


def _find(host: str, port: int) -> list[AddressInfo]:
    return list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_CANONNAME))
