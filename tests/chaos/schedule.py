"""What is broken, when and for how long: drawn from a seed, the same for the same seed. Pure."""

import random
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What happens to a process: SIGKILL, SIGSTOP until SIGCONT, or a reset of its connections."""

    KILL = "kill"
    FREEZE = "freeze"
    CUT = "cut"


class Target(StrEnum):
    """Whose process it is; the values of components are their names in the local cluster."""

    OPERATOR = "operator"
    WORKER = "worker"
    RABBITMQ = "rabbitmq"
    REDIS = "redis"
    KUBELET = "kubelet"
    CONTAINERD = "containerd"
    API_SERVER = "kube-apiserver"
    CONTROLLER_MANAGER = "kube-controller-manager"


BROKERS = frozenset({Target.RABBITMQ, Target.REDIS})
COMPONENTS = frozenset(
    {Target.KUBELET, Target.CONTAINERD, Target.API_SERVER, Target.CONTROLLER_MANAGER}
)

_WITH_CONNECTIONS = (
    Target.OPERATOR, Target.WORKER, Target.RABBITMQ, Target.REDIS, Target.API_SERVER,
)  # fmt: skip
_LEAD_SECONDS = 5.0
"""RabbitMQ may lose a queue whose node is killed a moment after it was declared."""

_LONGEST_FREEZE_SECONDS = 12.0
_LONGEST_DOWNTIME_SECONDS = 6.0


@dataclass(frozen=True, slots=True)
class Card:
    """One way to break one thing."""

    kind: Kind
    target: Target


@dataclass(frozen=True, slots=True)
class Fault:
    """One entry of a schedule.

    at_seconds: since the schedule's begin.
    duration_seconds: until a frozen process goes on, or a killed component is started again; 0
        where nothing has to be undone.
    choice: from 0 to below 1; which one, where there are several.
    """

    at_seconds: float
    kind: Kind
    target: Target
    duration_seconds: float
    choice: float

    @property
    def until_seconds(self) -> float:
        return self.at_seconds + self.duration_seconds


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is broken.

    faults: how many are scheduled, evenly over the seconds.
    cards: dealt one after the other, each once before any comes again.
    rest_seconds: how long a target is left alone after a fault of its own.
    """

    faults: int
    seconds: float
    cards: tuple[Card, ...]
    rest_seconds: float


EVERYTHING = (
    *(Card(Kind.KILL, target) for target in Target),
    *(Card(Kind.FREEZE, target) for target in Target),
    *(Card(Kind.CUT, target) for target in _WITH_CONNECTIONS),
)
ONLY_THE_RUN = tuple(card for card in EVERYTHING if card.target not in COMPONENTS)
"""Leaves the node and the control plane alone."""

LONG = Plan(faults=46, seconds=180, cards=EVERYTHING, rest_seconds=5)
SHORT = Plan(faults=12, seconds=36, cards=ONLY_THE_RUN, rest_seconds=3)


def build_schedule(seed: int, plan: Plan) -> tuple[Fault, ...]:
    """Return the faults by time; two of one target never overlap."""
    chance = random.Random(seed)  # noqa: S311 - a schedule that can be had again
    slot = plan.seconds / plan.faults
    free_from = dict.fromkeys(Target, 0.0)
    deck: list[Card] = []
    faults = []
    for number in range(plan.faults):
        at = _LEAD_SECONDS + (number + chance.random()) * slot
        if not any(free_from[card.target] <= at for card in deck):
            deck += chance.sample(plan.cards, len(plan.cards))
        card = _deal(deck, at, free_from)
        if card is None:
            continue
        duration = _draw_duration(chance, card)
        faults.append(Fault(at, card.kind, card.target, duration, chance.random()))
        free_from[card.target] = at + duration + plan.rest_seconds
    return tuple(faults)


def _deal(deck: list[Card], at: float, free_from: dict[Target, float]) -> Card | None:
    """Take the first card whose target has had its rest; None if all are resting."""
    for place, card in enumerate(deck):
        if free_from[card.target] <= at:
            return deck.pop(place)
    return None


def _draw_duration(chance: random.Random, card: Card) -> float:
    if card.kind is Kind.FREEZE:
        return chance.uniform(1, _LONGEST_FREEZE_SECONDS)
    if card.kind is Kind.KILL and card.target in COMPONENTS:
        return chance.uniform(0.5, _LONGEST_DOWNTIME_SECONDS)
    return 0.0
