"""What happens in the scenarios that compare an operator alone with one that has neighbours."""

import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext

from dev.servers.ports import find_free_ports
from tests.crowd import create_foreign_jobs, create_foreign_pods
from tests.hostile_server import Act, drip, hostile_server, silent

from .figures import Figure, find_percentile
from .measures import SETTLE_SECONDS, Options, decide, start, take_up
from .runs import build_run, name_run
from .site import Site
from .watching import build_life_figures

_DRIPPED = b"AMQP"
"""The beginning of an answer that is never whole."""


def measure_foreign(site: Site, options: Options) -> list[Figure]:
    """Start the operator on an empty cluster and beside foreign objects, some times each."""
    alone = [start(site, options, f"alone-{number}") for number in range(options.rounds)]
    create_foreign_jobs(site.api, options.number)
    create_foreign_pods(site.api, options.number)
    beside = [start(site, options, f"beside-{number}") for number in range(options.rounds)]
    return _compare(alone, beside, ("ready", "taken up", "memory, peak"))


def measure_hung_brokers(site: Site, options: Options) -> list[Figure]:
    """Time first Jobs of healthy runs alone, and beside runs whose brokers hang, drip or refuse."""
    hostile = options.number // 5

    @contextmanager
    def trouble(number: int) -> Iterator[None]:
        with hostile_ports() as ports:
            runs = [
                build_run(
                    name_run(each, f"hostile-{number}"),
                    each,
                    port=ports[each % len(ports)],
                    shape=options.shape,
                )
                for each in range(hostile)
            ]
            site.create_runs(runs)
            yield
            site.delete_runs(run["metadata"]["name"] for run in runs)

    return _compare_decisions(site, options, options.number - hostile, trouble)


def measure_hung_queues(site: Site, options: Options) -> list[Figure]:
    """The same beside runs whose queues hang, at the login that all of them share."""
    hostile = options.number // 5

    @contextmanager
    def trouble(number: int) -> Iterator[None]:
        names = site.add_runs(
            range(hostile), options.shape, prefix=f"hung-{number}", is_quorum=True
        )
        for name in names:
            site.broker.stop_quorum_queue("/", name)
        yield
        site.delete_runs(names)

    return _compare_decisions(site, options, options.number - hostile, trouble)


@contextmanager
def hostile_ports() -> Iterator[list[int]]:
    """Yield the ports of a broker that is silent, of one that drips, and of none."""
    acts: tuple[Act, ...] = (silent, drip(_DRIPPED))
    with ExitStack() as stack:
        ports = [stack.enter_context(hostile_server(act)) for act in acts]
        yield [*ports, *find_free_ports(1)]


def _compare(
    alone: Sequence[Mapping[str, Figure]],
    beside: Sequence[Mapping[str, Figure]],
    names: Sequence[str],
) -> list[Figure]:
    """Return medians and their ratio."""
    figures = []
    for name in names:
        medians = [
            statistics.median(figures[name].value or 0.0 for figures in rounds)
            for rounds in (alone, beside)
        ]
        unit = alone[0][name].unit
        figures += [
            Figure(f"{name}, alone", medians[0], unit),
            Figure(f"{name}, beside them", medians[1], unit),
            Figure(f"{name}, ratio", medians[1] / medians[0]),
        ]
    return [*figures, *(figure for name, figure in beside[-1].items() if name not in names)]


def _compare_decisions(
    site: Site,
    options: Options,
    healthy: int,
    trouble: Callable[[int], AbstractContextManager[None]],
) -> list[Figure]:
    """Time first Jobs of healthy runs without and with trouble, in turns."""
    names = site.add_runs(range(healthy), options.shape, prefix="healthy")
    latencies: dict[str, list[float]] = {"alone": [], "beside them": []}
    never = 0
    with site.pods(work_seconds=options.work_seconds) as pods, site.operator() as operator:
        take_up(site, operator, names)
        for number in range(options.rounds):
            for title, around in (("alone", nullcontext()), ("beside them", trouble(number))):
                with around:
                    time.sleep(SETTLE_SECONDS)
                    decisions = decide(site, operator, pods, names, options)
                latencies[title] += decisions.latencies
                never += decisions.without_job
        life = build_life_figures(site, operator)
    figures = []
    for percent in (50, 95):
        alone, beside = (find_percentile(each, percent) for each in latencies.values())
        ratio = beside / alone if alone and beside else None
        figures += [
            Figure(f"first Job, p{percent}, alone", alone, "s"),
            Figure(f"first Job, p{percent}, beside them", beside, "s"),
            Figure(f"first Job, p{percent}, ratio", ratio),
        ]
    return [*figures, Figure("first Job, never", never, "items", goal=0), *life]
