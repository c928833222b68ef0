#!/usr/bin/env python3
"""Measure what the operator costs with many WorkQueueJobs, and how soon it decides.

It starts a control plane, fake nodes, a RabbitMQ without the management API, and the operator as
the chart starts it, and ends them. One scenario takes minutes. Run one as
`.venv/bin/python -m bench.scale idle --number 1000`; bench/README.md says what each measures.
"""

import argparse
import os
import signal
import sys
from dataclasses import replace
from types import FrameType

from bench.scaling.figures import Result, describe_machine, with_goals
from bench.scaling.measures import Options
from bench.scaling.operator_process import OperatorEnded
from bench.scaling.scenarios import SCENARIOS, Scenario
from bench.scaling.site import Late, open_site
from dev.local.errors import LocalClusterError


def main() -> None:
    """Print a table, or JSON; exit with 1 if the operator ended or something did not happen."""
    options = _parse()
    scenario = SCENARIOS[options.scenario]
    # The finally clauses run, so that no server stays behind.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        result = _run(options, scenario)
    except (OperatorEnded, Late, LocalClusterError) as error:
        print(f"{options.scenario}: {error}", file=sys.stderr)
        sys.exit(1)
    result.print(as_json=options.json)


def _run(options: argparse.Namespace, scenario: Scenario) -> Result:
    load = os.getloadavg()[0]
    number = options.number or scenario.number
    shape = replace(
        scenario.shape,
        logins=options.logins or scenario.shape.logins,
        has_worker=options.worker or scenario.shape.has_worker,
    )
    values = {"allowedHosts": "{127.0.0.1}", "allowedAddresses": "{127.0.0.1}"}
    if memory := options.memory or scenario.memory.get(number):
        values["resources.limits.memory"] = memory
    measured = Options(
        number=number,
        seconds=options.seconds,
        samples=options.samples,
        rounds=options.rounds,
        work_seconds=options.work_seconds or scenario.work_seconds,
        shape=shape,
    )
    with open_site(has_nodes=scenario.has_nodes, shape=shape, values=values) as site:
        figures = scenario.measure(site, measured)
    conditions = {
        "number": number,
        "logins": shape.logins,
        "worker": "yes" if shape.has_worker else "no",
        "machine": describe_machine(load),
    }
    goals = scenario.goals.get(number, {})
    return Result(options.scenario, conditions, with_goals(figures, goals))


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("scenario", choices=SCENARIOS)
    parser.add_argument("--number", type=int, help="of runs, objects or items; its own by default")
    parser.add_argument("--logins", type=int, help="users of the broker that the runs share")
    parser.add_argument("--worker", action="store_true", help="runs with worker and retry")
    parser.add_argument("--memory", help="the operator's memory limit, such as 512Mi")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to watch it")
    parser.add_argument("--samples", type=int, default=100, help="items whose Jobs are timed")
    parser.add_argument("--rounds", type=int, default=3, help="of scenarios that compare")
    parser.add_argument("--work-seconds", type=float, help="for which a pod holds its item")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    return parser.parse_args()


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
