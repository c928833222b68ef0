"""A worker's settings with the source of its broker, as read from its environment. Pure."""

from collections.abc import Mapping
from typing import Any

from workqueuejob.brokers.registry import find_room
from workqueuejob.contract import settings as contract
from workqueuejob.contract.settings import Source, WorkerSettings


def read_settings(environ: Mapping[str, str]) -> WorkerSettings:
    """Return what `write_settings` wrote; raises ValueError, KeyError or TypeError otherwise."""
    return contract.read_settings(environ, _read_source)


def _read_source(broker: str, written: Mapping[str, Any]) -> Source:
    return find_room(broker).settings.read_source(written)
