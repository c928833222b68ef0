"""Reads Secrets by name, and shares one read among WorkQueueJobs that need the same Secret.

A Secret's data is kept for seconds. Secrets are not listed or watched.
"""

import asyncio
import base64
import binascii
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from workqueuejob.cluster.api import ClusterAPI

SHARED_SECONDS = 1.0
"""How old a read may be that another WorkQueueJob uses as well."""
_KEPT_SECONDS = 5.0
"""After so long the next read of any Secret forgets a read."""

SecretData = Mapping[str, bytes]


@dataclass(slots=True)
class _Reading:
    """The last read of one Secret."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    started: float = float("-inf")
    """On the monotonic clock."""
    data: SecretData | None = None
    """None: there was no such Secret."""


class SecretReads:
    """The reads of Secrets of all WorkQueueJobs."""

    def __init__(self, cluster: ClusterAPI) -> None:
        self._cluster = cluster
        self._readings: dict[tuple[str, str], _Reading] = {}

    async def read(self, namespace: str, name: str, *, not_before: float) -> SecretData | None:
        """Return a Secret's decoded data, or None if it does not exist; raises ClusterError.

        not_before: on the monotonic clock; a read that started earlier is repeated.
        """
        self._forget_old()
        reading = self._readings.setdefault((namespace, name), _Reading())
        async with reading.lock:
            if reading.started < not_before:
                started = time.monotonic()
                secret = await self._cluster.read_secret(namespace, name)
                reading.data = None if secret is None else _decode_all(secret.get("data") or {})
                reading.started = started
            return reading.data

    def _forget_old(self) -> None:
        before = time.monotonic() - _KEPT_SECONDS
        for key, reading in list(self._readings.items()):
            if reading.started < before and not reading.lock.locked():
                del self._readings[key]


def _decode_all(data: Mapping[str, str]) -> SecretData:
    return {key: _decode(value) for key, value in data.items()}


def _decode(value: str) -> bytes:
    try:
        return base64.b64decode(value)
    except binascii.Error:
        return b""
