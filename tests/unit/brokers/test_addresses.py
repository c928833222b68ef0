"""The addresses that the operator may connect to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workqueuejob.brokers.addresses import ORDINARY, AllowedAddresses, parse_address_range


def allow(*ranges: str) -> AllowedAddresses:
    return AllowedAddresses(tuple(map(parse_address_range, ranges)))


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",  # noqa: S104 - nothing is bound
        "127.0.0.1", "127.9.9.9", "0.1.2.3", "169.254.169.254", "224.0.0.1",
        "255.255.255.255",
        "::1", "::", "::127.0.0.1", "fe80::1", "fe80::1%eth0", "ff02::1", "fd00:ec2::254",
        # An IPv4 address in the clothes of IPv6
        "::ffff:127.0.0.1", "::ffff:a9fe:a9fe", "64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe",
        "", "mq", "127.1", "2130706433",
    ],
)  # fmt: skip
def test_special_address_is_refused_by_default(address: str) -> None:
    assert not ORDINARY.allows(address)
    assert not allow("0.0.0.0/0", "::/0").allows(address)


@pytest.mark.parametrize(
    "address", ["10.1.2.3", "192.0.2.1", "2001:db8::1", "fd00::1", "::ffff:10.1.2.3"]
)
def test_ordinary_address_is_allowed_by_default(address: str) -> None:
    assert ORDINARY.allows(address)
    assert allow("0.0.0.0/0", "::/0").allows(address)


@pytest.mark.parametrize(
    ("ranges", "address", "allowed"),
    [
        ("10.0.0.0/8", "10.1.2.3", True),
        ("10.0.0.0/8", "::ffff:10.1.2.3", True),
        ("10.0.0.0/8", "64:ff9b::10.1.2.3", True),
        ("10.0.0.0/8", "11.0.0.1", False),
        ("10.0.0.0/8", "2001:db8::1", False),
        ("10.1.2.3", "10.1.2.3", True),
        ("10.1.2.3", "10.1.2.4", False),
        ("2001:db8::/32", "2001:db8:1::1", True),
        # What leads to an IPv4 address is judged by that address alone.
        ("::ffff:0:0/96", "::ffff:127.0.0.1", False),
        ("127.0.0.0/8", "127.0.0.1", True),
        ("127.0.0.1/32", "::ffff:127.0.0.1", True),
        ("126.0.0.0/7", "127.0.0.1", False),
        ("126.0.0.0/7", "126.0.0.1", True),
        ("::1", "::1", True),
        ("169.254.20.10", "169.254.20.10", True),
        ("169.254.20.10", "169.254.169.254", False),
    ],
)
def test_range_allows_its_addresses_and_special_ones_only_from_within(
    ranges: str, address: str, allowed: bool
) -> None:
    assert allow(*ranges.split()).allows(address) is allowed


@given(st.ip_addresses(v=4))
def test_forms_of_an_address_are_judged_alike(address: object) -> None:
    forms = (f"::ffff:{address}", f"64:ff9b::{address}")
    for ranges in ((), ("10.0.0.0/8", "127.0.0.0/8"), (f"{address}/32",)):
        allowed = allow(*ranges)
        assert {allowed.allows(form) for form in forms} == {allowed.allows(str(address))}


@pytest.mark.parametrize("text", ["", "mq", "10.0.0.0/33", "10.0.0.1/8", "10.0.0.0-10.0.0.9"])
def test_what_is_no_range_is_refused_with_what_it_may_be(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no range of addresses .* such as 10.0.0.0/8"):
        parse_address_range(text)
