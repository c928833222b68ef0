"""What a scenario of `bench.scale` has measured, and how it is shown."""

import json
import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from rich.console import Console
from rich.table import Table

QUIET_LOAD = 0.5
"""A machine whose load average is higher does something else as well."""
_WIDTH = 120
"""Characters of a table that no terminal shows."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One number. `goal` is the most that it should be; None where there is no goal."""

    name: str
    value: float | None
    unit: str = ""
    goal: float | None = None

    @property
    def is_missed(self) -> bool:
        """Whether there is a goal, and the number is above it or was not measured."""
        return self.goal is not None and (self.value is None or self.value > self.goal)


@dataclass(frozen=True, slots=True)
class Result:
    """All figures of one scenario, and under which conditions they were taken."""

    scenario: str
    conditions: Mapping[str, Any]
    figures: Sequence[Figure]

    def print(self, *, as_json: bool) -> None:
        """Print a table, or one JSON document."""
        if as_json:
            print(json.dumps(asdict(self), indent=2))
            return
        conditions = ", ".join(f"{name} {value}" for name, value in self.conditions.items())
        table = Table()
        table.add_column("figure")
        table.add_column("measured", justify="right")
        table.add_column("unit")
        table.add_column("at most", justify="right")
        for figure in self.figures:
            style = "red" if figure.is_missed else None
            goal = "" if figure.goal is None else f"{figure.goal:g}"
            table.add_row(figure.name, _show(figure.value), figure.unit, goal, style=style)
        print(f"{self.scenario}: {conditions}")
        Console(width=None if os.isatty(1) else _WIDTH).print(table)


def with_goals(figures: Sequence[Figure], goals: Mapping[str, float]) -> list[Figure]:
    """Return the figures with these goals, by name."""
    return [replace(each, goal=goals.get(each.name, each.goal)) for each in figures]


def describe_machine(load: float) -> str:
    """Return what the figures were taken on.

    load: the load average before the bench started anything.
    """
    quiet = "quiet" if load <= QUIET_LOAD else f"NOT QUIET (load average {load:.1f})"
    return (
        f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, {quiet}"
    )


def find_percentile(values: Sequence[float], percent: int) -> float | None:
    """Return a percentile by linear interpolation; None of no values."""
    if len(values) < 2:
        return values[0] if values else None
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def _show(value: float | None) -> str:
    if value is None:
        return "not measured"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.2f}" if abs(value) < 10 else f"{value:,.1f}"
