"""The scenarios of `bench.scale` and what their figures should be at most."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from .comparisons import measure_foreign, measure_hung_brokers, measure_hung_queues
from .measures import Measure, measure_busy, measure_finished, measure_idle, measure_surplus
from .runs import PARALLELISM, Shape


@dataclass(frozen=True, slots=True)
class Scenario:
    """One row of the table in README.md."""

    measure: Measure
    number: int
    """Of what the scenario is about, unless the command line says another."""
    shape: Shape = field(default_factory=Shape)
    has_nodes: bool = True
    work_seconds: float = 1.0
    """How long a pod holds its item."""
    goals: Mapping[int, Mapping[str, float]] = field(default_factory=dict)
    """By number: the most that a figure should be."""
    memory: Mapping[int, str] = field(default_factory=dict)
    """By number: a memory limit that is not the chart's."""


SCENARIOS: Mapping[str, Scenario] = {
    "idle": Scenario(
        measure_idle,
        1000,
        goals={
            1000: {"memory, peak": 140, "CPU": 20, "first Job, p95": 1},
            2000: {"memory, peak": 170, "CPU": 25, "taken up": 30, "first Job, p95": 1.5},
            10000: {"memory, peak": 420, "CPU": 40, "taken up": 120, "first Job, p95": 8},
        },
        memory={10000: "512Mi"},
    ),
    "logins": Scenario(
        measure_idle,
        1000,
        shape=Shape(logins=200, has_worker=True),
        goals={1000: {"memory, peak": 160, "CPU": 30, "threads": 20, "first Job, p95": 1.5}},
    ),
    "busy": Scenario(
        measure_busy,
        300,
        work_seconds=100.0,
        goals={300: {"CPU": 100, "requests": 60, "decision, p95": 2}},
    ),
    "foreign": Scenario(
        measure_foreign,
        20000,
        has_nodes=False,
        goals={20000: {"ready, ratio": 1.1, "taken up, ratio": 1.1, "memory, peak, ratio": 1.1}},
    ),
    "finished": Scenario(
        measure_finished,
        5000,
        goals={5000: {"memory, peak": 150, "longest wait of a container probe": 1}},
    ),
    "hung-brokers": Scenario(
        measure_hung_brokers,
        50,
        shape=Shape(logins=50),
        goals={50: {"first Job, p50, ratio": 1.1, "first Job, p95, ratio": 1.1}},
    ),
    "hung-queues": Scenario(
        measure_hung_queues,
        50,
        goals={50: {"first Job, p50, ratio": 1.1, "first Job, p95, ratio": 1.1}},
    ),
    "surplus": Scenario(
        measure_surplus,
        40,
        shape=Shape(has_worker=True),
        goals={40: {"last pod ended after": 15, "useless pods": PARALLELISM}},
    ),
}
