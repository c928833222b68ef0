"""Says how a pod failed, in the words of its own status. Asks no cluster.

A pod that was evicted, or whose init container failed, has no log of its program that could say so.
Quoted are the kubelet and the container runtime. What a program wrote is not quoted, because a
message may hold anything.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from workqueuejob.planning.observing.containers import list_containers, read_state

_BY_RUNTIME = frozenset({"StartError", "ContainerCannotRun", "ContainerStatusUnknown"})
"""Reasons of a terminated container whose message is the kubelet's or the runtime's."""

_OUT_OF_MEMORY = "OOMKilled"
_WORDS_MAX_LENGTH = 300


@dataclass(frozen=True, slots=True)
class PodFailure:
    """How a pod failed."""

    words: str
    """Without the pod's name, such as "container worker exited 1"."""

    has_log: bool = False
    """Whether a program ran that may have said why."""


def describe_failure(pod: Mapping[str, Any]) -> PodFailure | None:
    """Return how a pod failed; None if its status does not say so."""
    status: Mapping[str, Any] = pod.get("status") or {}
    if status.get("reason"):
        return PodFailure(_join(status["reason"], status.get("message")))
    return next(_list_failures(status), None)


def describe_termination(name: str, terminated: Mapping[str, Any], *, kind: str) -> PodFailure:
    """Return how a container ended. kind: what people call it, such as "init container"."""
    reason, code = terminated.get("reason") or "", terminated.get("exitCode")
    if reason == _OUT_OF_MEMORY:
        return PodFailure(f"{kind} {name} used more memory than its limit ({reason})")
    if reason in _BY_RUNTIME:
        return PodFailure(f"{kind} {name}: {_join(reason, terminated.get('message'))}")
    killed = f" (signal {terminated['signal']})" if terminated.get("signal") else ""
    return PodFailure(f"{kind} {name} exited {code}{killed}", has_log=True)


def count_alike(failures: Iterable[PodFailure]) -> tuple[PodFailure, int] | None:
    """Return the most frequent failure and how many pods it has; None without any."""
    return next(iter(Counter(failures).most_common(1)), None)


def _list_failures(status: Mapping[str, Any]) -> Iterator[PodFailure]:
    for kind, container in list_containers(status):
        terminated = read_state(container).get("terminated")
        if terminated and terminated.get("exitCode"):
            yield describe_termination(container["name"], terminated, kind=kind)


def _join(reason: str, message: str | None) -> str:
    words = f"{reason}: {message.rstrip('. ')}" if message else reason
    shown = "".join(character if character.isprintable() else " " for character in words)
    return shown if len(shown) <= _WORDS_MAX_LENGTH else f"{shown[: _WORDS_MAX_LENGTH - 1]}…"
