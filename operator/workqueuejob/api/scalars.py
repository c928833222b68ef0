"""The strings, numbers, times and maps of the resource, with the bounds the API server enforces.

Everything has a bound: the API server prices a CEL rule by the largest value it could meet.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, PlainSerializer

INT32_MAX = 2**31 - 1
LARGEST_COUNT = 2**53 - 1
"""What every reader of JSON keeps exact, those that know no integers included."""
PARALLELISM_MAX = 10_000

Count = Annotated[int, Field(ge=0, le=INT32_MAX)]
PositiveCount = Annotated[int, Field(ge=1, le=INT32_MAX)]
Seconds = Annotated[int, Field(ge=0, le=INT32_MAX)]
PositiveSeconds = Annotated[int, Field(ge=1, le=INT32_MAX)]
Parallelism = Annotated[int, Field(ge=0, le=PARALLELISM_MAX)]
Port = Annotated[int, Field(ge=1, le=65535)]
Generation = Annotated[int, Field(ge=0, json_schema_extra={"format": "int64"})]

_DNS_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_HOST_LABEL = r"[A-Za-z0-9]([-_A-Za-z0-9]*[A-Za-z0-9])?"
_HOST_NAME = rf"{_HOST_LABEL}(\.{_HOST_LABEL})*\.?"
# Two colons at least, so that host:port is not taken for an address.
_IPV6 = r"[0-9A-Fa-f.]*:[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*"
_PORT = "([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
# Visible ASCII but for #, ? and @. (\s is not the same in Go's and in Rust's expressions.)
_URL_PATH = r"""[!-"$->A-~]*"""

SecretName = Annotated[
    str, Field(min_length=1, max_length=253, pattern=rf"^{_DNS_LABEL}(\.{_DNS_LABEL})*$")
]
ContainerName = Annotated[str, Field(min_length=1, max_length=63)]
Username = Annotated[str, Field(min_length=1, max_length=253)]
SecretKey = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[-._a-zA-Z0-9]+$")]
HostName = Annotated[str, Field(min_length=1, max_length=253, pattern=rf"^({_HOST_NAME}|{_IPV6})$")]
HostAndPort = Annotated[
    str,
    Field(
        min_length=3, max_length=260, pattern=rf"^{_HOST_NAME}:{_PORT}$", description="host:port."
    ),
]
"""A host name or an IPv4 address, and a port from 1 to 65535."""
PlainURL = Annotated[
    str,
    Field(
        min_length=8,
        max_length=1024,
        pattern=rf"^https?://({_HOST_NAME}|\[{_IPV6}\])(:[0-9]{{1,5}})?(/{_URL_PATH})?$",
    ),
]
"""http or https, host, port and path; no credentials, query or fragment."""

LabelValue = Annotated[
    str, Field(max_length=63, pattern=r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$")
]
Labels = Annotated[dict[str, LabelValue], Field(max_length=64)]
Annotations = Annotated[dict[str, Annotated[str, Field(max_length=262_144)]], Field(max_length=128)]


def _whole_second_utc(time: datetime) -> datetime:
    return time.astimezone(UTC).replace(microsecond=0)


def _rfc3339(time: datetime) -> str:
    return _whole_second_utc(time).strftime("%Y-%m-%dT%H:%M:%SZ")


# Cut when read, so that a status that was built equals the same status read back.
Timestamp = Annotated[
    AwareDatetime,
    AfterValidator(_whole_second_utc),
    PlainSerializer(_rfc3339, return_type=str, when_used="json"),
]


def _at_most_largest(number: Any) -> Any:
    return min(number, LARGEST_COUNT) if isinstance(number, int) else number


# A status that counts too much is capped, because one that is refused stops its run.
LargeCount = Annotated[
    int,
    Field(ge=0, le=LARGEST_COUNT, json_schema_extra={"format": "int64"}),
    BeforeValidator(_at_most_largest),
]


def _shortened_to(limit: int) -> Callable[[Any], Any]:
    def shorten(text: Any) -> Any:
        if isinstance(text, str) and len(text) > limit:
            return text[: limit - 1] + "…"
        return text

    return shorten


# A status that says too much is cut, for one that is refused says nothing.
Message = Annotated[str, BeforeValidator(_shortened_to(1024)), Field(max_length=1024)]
LongMessage = Annotated[str, BeforeValidator(_shortened_to(32_768)), Field(max_length=32_768)]
