"""What a host in a spec means to the operator, and whether it may connect to it.

Pure: names are compared as they are written, and nothing is looked up.
"""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from workqueuejob.brokers.connection import join_address
from workqueuejob.errors import HostNotAllowed

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*", re.ASCII)
_PATTERN = re.compile(
    rf"(?P<host>\*|(?:\*\.)?{_NAME.pattern}|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{{1,5}}))?", re.ASCII
)
_HIGHEST_PORT = 65535


@dataclass(frozen=True, slots=True)
class HostPattern:
    """One entry of the allow-list.

    host: a name, an address, `*` for every host, or `*.` and a name for all names below it.
    port: None for every port.
    """

    host: str
    port: int | None = None

    def matches(self, host: str, port: int) -> bool:
        """Return whether a host and port are meant; a host that is no name or address never is."""
        if self.port not in {None, port}:
            return False
        address = _read_address(host)
        if address is not None:
            return self.host == "*" or _read_address(self.host) == address
        name = host.lower().removesuffix(".")
        if not _NAME.fullmatch(name):
            # What one parser takes for a name below an allowed one may be another host to the next.
            return False
        if self.host.startswith("*"):
            return name.endswith(self.host[1:])
        return name == self.host


def parse_host_pattern(text: str) -> HostPattern:
    """Return `host[:port]` as a pattern; raises ValueError, with what it may be."""
    found = _PATTERN.fullmatch(text.strip().lower())
    port = int(found["port"]) if found and found["port"] else None
    if found is None or (port is not None and not 0 < port <= _HIGHEST_PORT):
        raise ValueError(
            f"{text!r} is no host or pattern; write a name, *.name for all names below it, an"
            " address ([…] around IPv6) or *, and :port if only one port is meant"
        )
    return HostPattern(found["host"].strip("[]"), port)


@dataclass(frozen=True, slots=True)
class AllowedHosts:
    """The hosts that the operator may connect to as brokers; without patterns: all."""

    patterns: tuple[HostPattern, ...] = ()

    def check(self, host: str, port: int, *, field: str) -> None:
        """Raise HostNotAllowed unless a pattern matches; `field` is where the host comes from."""
        if not self.patterns or any(one.matches(host, port) for one in self.patterns):
            return
        raise HostNotAllowed(
            f"{join_address(host, port)} ({field}) is none of the hosts that this operator may"
            " connect to; name an allowed host, or have whoever runs the operator add it to the"
            " chart's allowedHosts"
        )


ALL_HOSTS = AllowedHosts()


def resolve_host(host: str, namespace: str) -> str:
    """Return a host that means the same in the operator's namespace as in the object's.

    A name without a dot is a Service beside the WorkQueueJob: `mq` is `mq.<namespace>.svc`.
    """
    if "." in host or host == "localhost" or _read_address(host):
        return host
    return f"{host}.{namespace}.svc"


def _read_address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None
