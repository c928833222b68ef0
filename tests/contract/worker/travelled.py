"""Workers under the interpreter of the runtime that travels into pods.

The tests and the benches stay in the tests' own Python, with its whole standard library; only what
a pod would run is on the other side. An import that the runtime can't do fails there.
"""

import os
import pickle
import subprocess
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from tests.contract.worker import places
from tests.contract.worker.places import B
from tests.worker_runtime import python_command
from workqueuejob.brokers.broker import Broker, Delivery
from workqueuejob.brokers.envelope import Envelope


class InRuntime:
    """A process of the runtime, and the brokers that are open in it."""

    def __init__(self, runtime: Path) -> None:
        self._process = subprocess.Popen(
            [*python_command(runtime), str(Path(places.__file__))],
            env={},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._lock = threading.Lock()

    def open(self, open_broker: Callable[..., B], *arguments: Any, **settings: Any) -> B:
        number = self.ask(
            "open", open_broker.__module__, open_broker.__name__, *arguments, **settings
        )
        return cast("B", TravelledBroker(self, number))

    def cut(self, broker: Broker) -> None:
        assert isinstance(broker, TravelledBroker)
        self.ask("cut", broker.number)

    def close(self) -> None:
        """End the process."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process.wait(20)

    def ask(self, name: str, *arguments: Any, **settings: Any) -> Any:
        """Return a method's answer; raise what it raised if the worker may raise it."""
        with self._lock:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            pickle.dump((name, arguments, settings), self._process.stdin)
            self._process.stdin.flush()
            kind, answer, notices = pickle.load(self._process.stdout)  # noqa: S301 - our own
        os.write(2, notices)
        if kind == "refusal":
            raise answer
        assert kind == "answer", f"in the runtime:\n{answer}"
        return answer


@dataclass(frozen=True)
class TravelledHandle:
    """A handle in the runtime's process, by its number there."""

    place: InRuntime
    number: int

    def read_envelope(self) -> Envelope:
        found: Envelope = self.place.ask("describe", self.number)
        return found


class TravelledBroker:
    """A broker in the runtime's process, as the contract sees it."""

    def __init__(self, place: InRuntime, number: int) -> None:
        self.number = number
        self._place = place

    def take(self, *, timeout_seconds: float) -> Delivery | None:
        found: Delivery | None = self._call("take", timeout_seconds=timeout_seconds)
        return found

    def ack(self, delivery: Delivery) -> None:
        self._call("ack", delivery)

    def retry(self, delivery: Delivery, *, reason: str, delay_seconds: int) -> None:
        self._call("retry", delivery, reason=reason, delay_seconds=delay_seconds)

    def dead_letter(self, delivery: Delivery, *, reason: str) -> None:
        self._call("dead_letter", delivery, reason=reason)

    def release(self, delivery: Delivery) -> None:
        self._call("release", delivery)

    def renew(self, held: Collection[Delivery]) -> Collection[Delivery]:
        lost: list[Delivery] = self._call("renew", list(held))
        return lost

    def extend(self, delivery: Delivery) -> None:
        self._call("extend", delivery)

    @property
    def renew_seconds(self) -> float:
        seconds: float = self._place.ask("read", self.number, "renew_seconds")
        return seconds

    @property
    def fetch_ahead(self) -> bool:
        wanted: bool = self._place.ask("read", self.number, "fetch_ahead")
        return wanted

    @fetch_ahead.setter
    def fetch_ahead(self, wanted: bool) -> None:
        self._place.ask("write", self.number, "fetch_ahead", wanted)

    @property
    def has_share(self) -> bool:
        has_share: bool = self._place.ask("read", self.number, "has_share")
        return has_share

    def close(self) -> None:
        self._call("close")

    def _call(self, method: str, *arguments: Any, **settings: Any) -> Any:
        sent = map(_send, arguments)
        found = self._place.ask("call", self.number, method, *sent, **settings)
        if isinstance(found, Delivery):
            return replace(found, handle=TravelledHandle(self._place, found.handle))
        return found


def _send(given: Any) -> Any:
    match given:
        case Delivery():
            return replace(given, handle=given.handle.number)
        case list():
            return [_send(each) for each in given]
    return given
