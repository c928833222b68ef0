"""What happens in the scenarios that watch one operator, and which figures are taken."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from tests.crowd import create_finished_waves

from .fake_pods import FakePods
from .figures import Figure
from .operator_process import OperatorProcess
from .runs import Shape
from .site import Site, wait_for
from .watching import (
    Decisions,
    await_decisions,
    await_ready,
    await_taken_up,
    build_life_figures,
    close_window,
    find_own_requests,
    observe,
    publish,
)

SETTLE_SECONDS = 10.0
"""Between what an operator has to do at its start and a measurement."""
_PUBLISHED_A_SECOND = 2.0
_OVERLAP = 0.8
"""How much of an item's work is done when the next item of a busy run comes."""
_SETTLED_SECONDS = 120.0
_PODS_PER_WAVE = 100
_BESIDE = 100
"""Idle runs beside a crowd of other objects."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says."""

    number: int
    seconds: float
    """How long a window is."""
    samples: int
    """Items whose first Jobs are timed."""
    rounds: int
    """Of scenarios that compare."""
    work_seconds: float
    """How long a pod holds its item."""
    shape: Shape = field(default_factory=Shape)


Measure = Callable[[Site, Options], list[Figure]]


def measure_idle(site: Site, options: Options) -> list[Figure]:
    """Take up idle runs, watch them idle, then give some of them an item each."""
    names = site.add_runs(range(options.number), options.shape)
    with site.pods(work_seconds=options.work_seconds) as pods, site.operator() as operator:
        figures = take_up(site, operator, names)
        window = observe(site, operator, options.seconds)
        decisions = decide(site, operator, pods, names, options)
        return [
            *figures,
            *window.build_figures(),
            *decisions.build_figures("first Job"),
            *build_life_figures(site, operator),
        ]


def measure_busy(site: Site, options: Options) -> list[Figure]:
    """Keep a pod at work in each run, and for a fifth of the time another one.

    Each run gets its next item when its former one is done to four fifths, so that there is room
    for a pod. Figures are taken after a first item of each run.
    """
    names = site.add_runs(range(options.number), options.shape)
    a_second = options.number / (_OVERLAP * options.work_seconds)
    go_on = partial(publish, site, names=names, a_second=a_second)
    with site.pods(work_seconds=options.work_seconds), site.operator() as operator:
        figures = take_up(site, operator, names)
        go_on(operator, items=options.number)
        since, before = time.time(), operator.read_usage()
        published = go_on(operator, items=round(options.seconds * a_second))
        window = close_window(site, operator, since, before)
        decisions = await_decisions(site, operator, published)
        return [
            *figures,
            *window.build_figures(),
            *decisions.build_figures("decision"),
            *build_life_figures(site, operator),
        ]


def measure_finished(site: Site, options: Options) -> list[Figure]:
    """Start the operator beside a run with many finished pods of the worker, and idle ones."""
    (name,) = site.add_runs(range(1), Shape(has_worker=True), prefix="long")
    waves = max(1, options.number // _PODS_PER_WAVE)
    site.patch_status(name, {"waves": waves})
    create_finished_waves(
        site.api, site.read_run(name), waves=waves, pods_per_wave=options.number // waves
    )
    return list(start(site, options, "run").values())


def measure_surplus(site: Site, options: Options) -> list[Figure]:
    """Take most items of a Coarse run with the worker away, when its first six are settled."""
    (name,) = site.add_runs(range(1), options.shape, runPolicy="UntilDrained", emptyStart="Wait")
    with site.pods(work_seconds=options.work_seconds) as pods, site.operator() as operator:
        await_taken_up(site, operator, [name])
        with site.channel() as channel:
            for _ in range(options.number):
                channel.basic_publish("", name, b"item")
            wait_for(
                lambda: pods.settled >= 6, seconds=_SETTLED_SECONDS, what="six items are settled"
            )
            channel.queue_purge(name)
        taken_at = time.time()
        wait_for(lambda: site.has_ended(name), seconds=600, what="the run is Complete")
        last = max([taken_at, *(pod.at for pod in pods.ended)])
        useless = sum(not pod.settled for pod in pods.ended)
        return [
            Figure("last pod ended after", last - taken_at, "s"),
            Figure("Complete after", time.time() - taken_at, "s"),
            Figure("useless pods", useless),
            *build_life_figures(site, operator),
        ]


def take_up(site: Site, operator: OperatorProcess, names: Sequence[str]) -> list[Figure]:
    """Wait until the operator has taken up all runs, and rests."""
    figures = [
        Figure("ready", await_ready(operator), "s after the start"),
        Figure("taken up", await_taken_up(site, operator, names), "s after the start"),
        Figure("requests until then", len(find_own_requests(site, operator))),
    ]
    time.sleep(SETTLE_SECONDS)
    return figures


def decide(
    site: Site, operator: OperatorProcess, pods: FakePods, names: Sequence[str], options: Options
) -> Decisions:
    """Give idle runs an item each, time their first Jobs, and wait until the items are settled."""
    before = pods.settled
    published = publish(site, operator, names, items=options.samples, a_second=_PUBLISHED_A_SECOND)
    decisions = await_decisions(site, operator, published)
    if not decisions.without_job:
        wait_for(
            lambda: pods.settled == before + options.samples,
            seconds=_SETTLED_SECONDS,
            what="all items are settled",
        )
    return decisions


def start(site: Site, options: Options, prefix: str) -> dict[str, Figure]:
    """Start the operator for some idle runs, end it and delete them; return figures by name."""
    names = site.add_runs(range(_BESIDE), options.shape, prefix=prefix)
    with site.operator() as operator:
        taken_up = take_up(site, operator, names)
        window = observe(site, operator, options.seconds)
        figures = [*taken_up, *window.build_figures(), *build_life_figures(site, operator)]
    site.delete_runs(names)
    return {figure.name: figure for figure in figures}
