"""Where the operator may connect to in tests, whose servers listen on loopback."""

from workqueuejob.brokers.addresses import AllowedAddresses, parse_address_range
from workqueuejob.brokers.hosts import AllowedHosts, parse_host_pattern

LOOPBACK = AllowedAddresses((parse_address_range("127.0.0.0/8"), parse_address_range("::1")))


def allow(*patterns: str) -> AllowedHosts:
    """Return hosts by their patterns, and every host without any; all of them on loopback."""
    return AllowedHosts(tuple(map(parse_host_pattern, patterns)), LOOPBACK)
