"""What becomes of every WorkQueueJob of a run, and what is left at the brokers."""

import json
import subprocess
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from dev.environment import NAMESPACE
from dev.workspaces.worker_jobs import ended_as
from tests.cluster.operator_process import OPERATOR_LABEL

from .evidence import Outcome
from .lines import Refused
from .load import LOADS, Load, Manifest
from .surroundings import Surroundings

_LOOK_SECONDS = 1.0
_PATIENCE_SECONDS = 60.0

Seen = TypeVar("Seen")


def wait_for_outcomes(
    surroundings: Surroundings, *, seconds: float, say: Callable[[str], None]
) -> dict[str, Outcome]:
    """Wait until every WorkQueueJob has ended, or the time is over; return what each came to.

    Everything has been sent, so Continuous ones are told to end.
    """
    for load in LOADS:
        if load.is_continuous:
            _insist(partial(surroundings.wind_down, load))
    ended: dict[str, float] = {}
    deadline = time.monotonic() + seconds
    while True:
        found = {one["metadata"]["name"]: one for one in list_objects(surroundings, "wqj")}
        for name, wqj in found.items():
            if name not in ended and ended_as(wqj):
                ended[name] = time.time()
                say(f"{name} has ended: {_condition(wqj)}")
        if len(ended) == len(LOADS) or time.monotonic() > deadline:
            break
        time.sleep(_LOOK_SECONDS)
    return {
        load.name: _describe(surroundings, load, found.get(load.name, {}), ended.get(load.name))
        for load in LOADS
    }


def list_objects(surroundings: Surroundings, kind: str) -> list[Manifest]:
    """Return a kind's objects, if need be when the API server is back."""
    return _insist(lambda: surroundings.list(kind))


def save_objects(surroundings: Surroundings, directory: Path) -> None:
    """Write down what is on the cluster, and what the operator that runs last has logged."""
    directory.mkdir(parents=True, exist_ok=True)
    for kind in ("wqj", "jobs", "pods", "events"):
        text = json.dumps(list_objects(surroundings, kind), indent=1)
        (directory / f"{kind}.json").write_text(text + "\n")
    logged = surroundings.cluster.kubectl(
        "logs", "-n", NAMESPACE, "-l", OPERATOR_LABEL, "--tail=-1",
        check=False,
    )  # fmt: skip
    (directory / "operator.log").write_text(logged.stdout + logged.stderr)


def _describe(
    surroundings: Surroundings, load: Load, wqj: Manifest, ended: float | None
) -> Outcome:
    left, dead = _insist(lambda: surroundings.look_into(load))
    items = (wqj.get("status") or {}).get("items") or {}
    return Outcome(
        condition=_condition(wqj),
        left=left,
        dead=dead,
        succeeded=items.get("succeeded"),
        dead_lettered=items.get("deadLettered"),
        counted=items.get("accounting") == "Counted",
        ended=ended or time.time(),
    )


def _condition(wqj: Manifest) -> str:
    return "/".join(ended_as(wqj) or ())


def _insist(look: Callable[[], Seen]) -> Seen:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            return look()
        except (subprocess.CalledProcessError, Refused):
            if time.monotonic() > deadline:
                raise
        time.sleep(_LOOK_SECONDS)
