"""What a host in a spec means to the operator, and whether it may connect to it.

A host is checked twice: its name as it is written, and, once it is looked up, its addresses. Pure:
nothing is looked up here.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from workqueuejob.brokers.addresses import ORDINARY, AllowedAddresses, read_address
from workqueuejob.brokers.connection import AddressInfo, join_address
from workqueuejob.errors import HostNotAllowed

OWN_NAMESPACE = "<namespace>"
"""Stands in a pattern for the namespace of the WorkQueueJob."""

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*", re.ASCII)
_PART = f"(?:{_LABEL}|{OWN_NAMESPACE})"
_PATTERN = re.compile(
    rf"(?P<host>\*|(?:\*\.)?{_PART}(?:\.{_PART})*|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{{1,5}}))?",
    re.ASCII,
)
_HIGHEST_PORT = 65535
_ASK = "name an allowed host, or ask the operator's administrator to add it to the chart's"


@dataclass(frozen=True, slots=True)
class HostPattern:
    """One entry of the allow-list.

    host: a name, an address, `*` for every host, or `*.` and a name for all names below it. A name
        with OWN_NAMESPACE in it matches nothing before `AllowedHosts.within`.
    port: None for every port.
    """

    host: str
    port: int | None = None

    def matches(self, host: str, port: int) -> bool:
        """Return whether a host and port are meant; a host that is no name or address never is."""
        if self.port not in {None, port}:
            return False
        address = read_address(host)
        if address is not None:
            return self.host == "*" or read_address(self.host) == address
        name = host.lower().removesuffix(".")
        if not _NAME.fullmatch(name):
            # What one parser takes for a name below an allowed one may be another host to the next.
            return False
        if self.host.startswith("*"):
            return name.endswith(self.host[1:])
        return name == self.host


def parse_host_pattern(text: str) -> HostPattern:
    """Return `host[:port]` as a pattern; raises ValueError, with what it may be."""
    match = _PATTERN.fullmatch(text.strip().lower())
    port = int(match["port"]) if match and match["port"] else None
    if match is None or (port is not None and not 0 < port <= _HIGHEST_PORT):
        raise ValueError(
            f"{text!r} is no host or pattern; write a name, *.name for all names below it, an"
            " address ([…] around IPv6) or *, and :port if only one port is meant; <namespace>"
            " stands for the WorkQueueJob's namespace"
        )
    return HostPattern(match["host"].strip("[]"), port)


@dataclass(frozen=True, slots=True)
class AllowedHosts:
    """The hosts that the operator may connect to as brokers; a `connection.Reach`.

    patterns: of names and addresses; without any, every host.
    addresses: where the names may lead.
    search_domains: what a resolver appends to names, such as `cluster.local`.
    """

    patterns: tuple[HostPattern, ...] = ()
    addresses: AllowedAddresses = ORDINARY
    search_domains: tuple[str, ...] = ()

    def within(self, namespace: str) -> "AllowedHosts":
        """Return the hosts that a WorkQueueJob of a namespace may name."""
        patterns = tuple(
            replace(pattern, host=pattern.host.replace(OWN_NAMESPACE, namespace))
            for pattern in self.patterns
        )
        return replace(self, patterns=patterns)

    def check(self, host: str, port: int, *, field: str) -> None:
        """Raise HostNotAllowed unless a pattern matches; `field` is where the host comes from."""
        if not self._matches(host, port):
            raise HostNotAllowed(
                f"{join_address(host, port)} ({field}) is none of the hosts that this operator may"
                f" connect to; {_ASK} allowedHosts"
            )

    def choose(self, host: str, port: int, addresses: Sequence[AddressInfo]) -> list[AddressInfo]:
        """Return those of a host's addresses that may be connected to; raise HostNotAllowed.

        addresses: the answer of getaddrinfo, with the host's canonical name.
        """
        self._check_alias(host, port, addresses)
        chosen = [info for info in addresses if self.addresses.allows(str(info[4][0]))]
        if not chosen:
            # The address is not named: names of other networks are not for the author to look up.
            raise HostNotAllowed(
                f"{join_address(host, port)} is at an address that this operator may not connect to"
                f" (loopback, link-local and the like, unless they are listed); {_ASK}"
                " allowedAddresses"
            )
        return chosen

    def _check_alias(self, host: str, port: int, addresses: Sequence[AddressInfo]) -> None:
        """Raise HostNotAllowed if the host is a Service that only stands for another host.

        An author may create a Service of type ExternalName, whose target is any name. Names outside
        of the cluster are not the author's to make, and often stand for others.
        """
        name, canonical = _normalize(host), _normalize(addresses[0][3] if addresses else "")
        if not self.patterns or not canonical or not _is_service(name):
            return
        own_names = {name, *(f"{name}.{domain}" for domain in self.search_domains)}
        if canonical not in own_names and not self._matches(canonical, port):
            raise HostNotAllowed(
                f"{join_address(host, port)} is a Service that stands for another host (type"
                f" ExternalName), and that is none of the hosts that this operator may connect to;"
                f" {_ASK} allowedHosts"
            )

    def _matches(self, host: str, port: int) -> bool:
        return not self.patterns or any(pattern.matches(host, port) for pattern in self.patterns)


ALL_HOSTS = AllowedHosts()
"""Every name and every address but the special ones."""


def read_search_domains(resolver_configuration: str) -> tuple[str, ...]:
    """Return what a text such as /etc/resolv.conf has after `search`; the last line counts."""
    lines = [line.split() for line in resolver_configuration.splitlines()]
    searched = [line[1:] for line in lines if line[:1] == ["search"]]
    return tuple(map(_normalize, searched[-1])) if searched else ()


def resolve_host(host: str, namespace: str) -> str:
    """Return a host that means the same in the operator's namespace as in the object's.

    A name without a dot is a Service beside the WorkQueueJob: `mq` is `mq.<namespace>.svc`.
    """
    if "." in host or host == "localhost" or read_address(host):
        return host
    return f"{host}.{namespace}.svc"


def _is_service(name: str) -> bool:
    return "svc" in name.split(".")[1:]


def _normalize(name: str) -> str:
    return name.lower().removesuffix(".")
