"""The addresses that the operator may connect to. Pure: nothing is looked up.

The owner of a name decides where it leads. So the operator also checks the address, after it has
looked the name up and before it connects.
"""

from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

SPECIAL: tuple[Network, ...] = tuple(
    ip_network(text)
    for text in (
        # This host, loopback, link-local with the clouds' metadata, multicast, reserved
        "0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4",
        # The same in IPv6. ::/96 has ::, ::1 and an old form of IPv4 addresses. fd00:ec2::254 is
        # AWS' metadata
        "::/96", "fe80::/10", "fec0::/10", "ff00::/8", "fd00:ec2::254/128",
    )
)  # fmt: skip
"""Ranges in which a cluster has no broker. Only a listed range within one allows its addresses."""

_NAT64 = IPv6Network("64:ff9b::/96")
"""Addresses whose last four bytes are the IPv4 address that a gateway connects to (RFC 6052)."""


def read_address(text: str) -> Address | None:
    """Return an address; None for anything else, such as a name."""
    try:
        return ip_address(text)
    except ValueError:
        return None


def parse_address_range(text: str) -> Network:
    """Return a range such as 10.0.0.0/8, or a single address; raises ValueError."""
    try:
        return ip_network(text.strip())
    except ValueError as error:
        raise ValueError(
            f"{text!r} is no range of addresses ({error}); write one such as 10.0.0.0/8 or"
            " 2001:db8::/32, or a single address"
        ) from None


@dataclass(frozen=True, slots=True)
class AllowedAddresses:
    """The ranges that the operator may connect to; without any: all but the special ones.

    A range that only contains a special one, such as 0.0.0.0/0, does not allow it: 127.0.0.1 is
    allowed by 127.0.0.0/8 or a part of it.
    """

    ranges: tuple[Network, ...] = ()

    def allows(self, text: str) -> bool:
        """Return whether an address may be connected to; a text that is none never may."""
        address = read_address(text)
        if address is None:
            return False
        address = _find_target(address)
        special = next((network for network in SPECIAL if address in network), None)
        if special is None:
            return not self.ranges or any(address in network for network in self.ranges)
        return any(address in network and _is_within(network, special) for network in self.ranges)


ORDINARY = AllowedAddresses()
"""Every address but the special ones."""


def _find_target(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 address leads to, or the address itself."""
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _NAT64:
        return IPv4Address(address.packed[-4:])
    return address


def _is_within(network: Network, outer: Network) -> bool:
    return (
        network.version == outer.version
        and network.prefixlen >= outer.prefixlen
        and network.network_address in outer
    )
