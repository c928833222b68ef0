"""A worker's settings with the source of its broker, as read from `WQJ_SETTINGS`. Pure."""

from collections.abc import Mapping
from typing import Any

from workqueuejob.brokers.registry import find_room
from workqueuejob.contract import settings as contract
from workqueuejob.contract.settings import Source, WorkerSettings


def read_settings(text: str) -> WorkerSettings:
    """Return what `write_settings` wrote; raises ValueError, KeyError or TypeError otherwise."""
    return contract.read_settings(text, _read_source)


def _read_source(broker: str, written: Mapping[str, Any]) -> Source:
    return find_room(broker).settings.read_source(written)
