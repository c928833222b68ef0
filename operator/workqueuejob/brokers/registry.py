"""Lists the brokers, one line each. Each has a room: a folder with its modules.

Its model of the spec is in `api`. A room has a module for each side of a broker, and
`brokers.sides` says what each must offer:

    settings     where a queue is and how to get in, as values      operator and worker, pure
    traits       what the planner must know of a queue              operator, pure
    environment  the variables by which pods find a queue           operator, pure
    resolve      from a spec and its Secrets to a connection        operator, pure
    reference    what is measured for a run                         operator, pure
    probe        measures a queue's depth                           operator, talks to the broker
    connecting   from a worker's environment to a connection        worker, pure
    broker       takes and settles items                            worker, talks to the broker

A side is imported when it is first asked for: a worker has no operator's side, and a client takes
time and memory that only the users of its broker should pay.
"""

from dataclasses import dataclass
from importlib import import_module
from typing import Any, cast

from workqueuejob.brokers import sides

_WING = "workqueuejob.brokers"


@dataclass(frozen=True, slots=True)
class Room:
    """One broker.

    name: of its package here, of its member of `spec.queue`, and of `broker` in `WQJ_SETTINGS`.
    """

    name: str

    @property
    def settings(self) -> sides.SettingsSide:
        """Its settings as values."""
        return cast("sides.SettingsSide", self._load("settings"))

    @property
    def traits(self) -> sides.TraitsSide:
        """What the planner must know of it."""
        return cast("sides.TraitsSide", self._load("traits"))

    @property
    def environment(self) -> sides.EnvironmentSide:
        """The variables of pods."""
        return cast("sides.EnvironmentSide", self._load("environment"))

    @property
    def resolve(self) -> sides.ResolveSide:
        """From a spec and its Secrets to a connection."""
        return cast("sides.ResolveSide", self._load("resolve"))

    @property
    def reference(self) -> sides.ReferenceSide:
        """What is measured for a run."""
        return cast("sides.ReferenceSide", self._load("reference"))

    @property
    def probe(self) -> sides.ProbeSide:
        """Measures a queue's depth."""
        return cast("sides.ProbeSide", self._load("probe"))

    @property
    def connecting(self) -> sides.ConnectingSide:
        """From a worker's environment to a connection."""
        return cast("sides.ConnectingSide", self._load("connecting"))

    @property
    def broker(self) -> sides.BrokerSide:
        """Takes and settles items."""
        return cast("sides.BrokerSide", self._load("broker"))

    def _load(self, side: str) -> Any:
        return import_module(f"{_WING}.{self.name}.{side}")


ROOMS = (
    Room("rabbitmq"),
    Room("redis"),
    Room("kafka"),
)

IN_MEMORY = Room("memory")
"""The queue in memory has the worker's sides alone, because no WorkQueueJob can name it."""

WORKER_ROOMS = (*ROOMS, IN_MEMORY)

_BY_NAME = {room.name: room for room in WORKER_ROOMS}


def find_room(name: str) -> Room:
    """Return the room of a broker; raise KeyError when none has the name."""
    return _BY_NAME[name]
