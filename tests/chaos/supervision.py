"""Starts components of the local cluster again when they have died, as an init system would."""

import threading
import time
from typing import Self

from dev.local.binaries import ensure_binaries
from dev.local.cli import LOCK
from dev.local.components import COMPONENTS, build_component
from dev.local.layout import Layout
from dev.local.lock import exclusive
from dev.local.processes import ProcessTable

_LOOK_SECONDS = 0.3


class Supervisor:
    """Watches all components while its context lasts; none is dead afterwards."""

    def __init__(self, layout: Layout, processes: ProcessTable) -> None:
        self._processes = processes
        binaries = ensure_binaries(layout)
        self._components = [build_component(layout, binaries, name) for name in COMPONENTS]
        self._down_until: dict[str, float] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="supervisor")

    def hold_down(self, name: str, seconds: float) -> None:
        """Leave a component dead for so long, should it die."""
        self._down_until[name] = time.monotonic() + seconds

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self._down_until.clear()
        self._revive()

    def _watch(self) -> None:
        while not self._ended.wait(_LOOK_SECONDS):
            self._revive()

    def _revive(self) -> None:
        with exclusive(LOCK):
            for component in self._components:
                if time.monotonic() >= self._down_until.get(component.name, 0):
                    self._processes.revive(component)
