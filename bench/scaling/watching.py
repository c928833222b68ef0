"""Watches the operator while it works: what it uses, how soon it decides, what it asks for."""

import itertools
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from workqueuejob.leadership.rules import LeaseTimes

from .figures import Figure, find_percentile
from .operator_process import OperatorProcess
from .requests import (
    Request,
    count_by_verb,
    find_created_jobs,
    find_first_statuses,
    find_renewals,
    within,
)
from .site import Late, Site, wait_for
from .usage import Usage, count_connections

_TAKEN_UP_SECONDS = 60.0
_TAKEN_UP_SECONDS_PER_RUN = 0.1
_DECIDED_SECONDS = 60.0
_READY_SECONDS = 120.0
_CHECK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Publication:
    """An item that was published at a time of the machine's clock."""

    run: str
    at: float


@dataclass(frozen=True, slots=True)
class Decisions:
    """How long the operator took to create a Job for an item, in seconds."""

    latencies: Sequence[float]
    without_job: int
    """Items for which it had created none when the bench stopped waiting."""

    def build_figures(self, name: str) -> list[Figure]:
        """Return median, 95th percentile and the slowest."""
        return [
            Figure(f"{name}, p50", find_percentile(self.latencies, 50), "s"),
            Figure(f"{name}, p95", find_percentile(self.latencies, 95), "s"),
            Figure(f"{name}, slowest", max(self.latencies, default=None), "s"),
            Figure(f"{name}, of", len(self.latencies) + self.without_job, "items"),
            Figure(f"{name}, never", self.without_job, "items", goal=0),
        ]


@dataclass(frozen=True, slots=True)
class Window:
    """What the operator used and asked for in some seconds."""

    seconds: float
    cpu_percent: float
    """Of one core."""
    usage: Usage
    """At the end."""
    connections: int
    """To the broker, at the end."""
    requests: Mapping[str, int]
    """By verb and resource; the Lease's are apart."""

    def build_figures(self) -> list[Figure]:
        """Return a figure for each."""
        total = sum(self.requests.values())
        return [
            Figure("CPU", self.cpu_percent, "% of a core"),
            Figure("memory", self.usage.resident_megabytes, "MB"),
            Figure("threads", self.usage.threads),
            Figure("broker connections", self.connections),
            Figure("requests", total / self.seconds, "a second"),
            *(
                Figure(f"requests, {name}", count, f"in {self.seconds:.0f} s")
                for name, count in self.requests.items()
            ),
        ]


def await_ready(operator: OperatorProcess) -> float:
    """Wait until the operator leads and watches; return the seconds since its start.

    Raises Late or OperatorEnded.
    """

    def is_ready() -> bool:
        operator.check()
        return operator.ready_at is not None

    wait_for(is_ready, seconds=_READY_SECONDS, what="the operator is ready")
    return (operator.ready_at or 0.0) - operator.started_at


def await_taken_up(site: Site, operator: OperatorProcess, names: Iterable[str]) -> float:
    """Wait until the first status of every run is written; return the seconds since the start.

    Raises Late or OperatorEnded.
    """
    missing = set(names)
    deadline = time.monotonic() + _TAKEN_UP_SECONDS + _TAKEN_UP_SECONDS_PER_RUN * len(missing)
    last = operator.started_at
    while True:
        operator.check()
        written = find_first_statuses(site.requests.read())
        last = max([last, *(written[name] for name in missing & written.keys())])
        missing -= written.keys()
        if not missing:
            return last - operator.started_at
        if time.monotonic() > deadline:
            raise Late(f"{len(missing)} runs, such as {min(missing)}, have no status")
        time.sleep(_CHECK_SECONDS)


def observe(site: Site, operator: OperatorProcess, seconds: float) -> Window:
    """Let the operator work for some seconds; raises OperatorEnded."""
    since, before = time.time(), operator.read_usage()
    while (left := since + seconds - time.time()) > 0:
        time.sleep(min(left, _CHECK_SECONDS))
        operator.check()
    return close_window(site, operator, since, before)


def close_window(site: Site, operator: OperatorProcess, since: float, before: Usage) -> Window:
    """Return what happened since a time at which the operator had used that much."""
    until, after = time.time(), operator.read_usage()
    requests = [
        request
        for request in within(site.requests.read(), since, until)
        if request.resource != "leases"
    ]
    return Window(
        seconds=until - since,
        cpu_percent=100 * (after.cpu_seconds - before.cpu_seconds) / (until - since),
        usage=after,
        connections=count_connections(operator.process.pid, [site.broker.ports.amqp]),
        requests=count_by_verb(requests),
    )


def publish(
    site: Site, operator: OperatorProcess, names: Sequence[str], *, items: int, a_second: float
) -> list[Publication]:
    """Publish items to the runs in turn, evenly over time; raises OperatorEnded."""
    published = []
    began = time.monotonic()
    with site.channel() as channel:
        for number, name in zip(range(items), itertools.cycle(names), strict=False):
            time.sleep(max(0.0, began + number / a_second - time.monotonic()))
            operator.check()
            published.append(Publication(name, time.time()))
            channel.basic_publish("", name, b"item")
    return published


def await_decisions(
    site: Site, operator: OperatorProcess, published: Sequence[Publication]
) -> Decisions:
    """Wait until there is a Job for each item, for a minute at most; raises OperatorEnded."""
    deadline = time.monotonic() + _DECIDED_SECONDS
    while True:
        operator.check()
        decisions = match_decisions(published, find_created_jobs(site.requests.read()))
        if not decisions.without_job or time.monotonic() > deadline:
            return decisions
        time.sleep(_CHECK_SECONDS)


def match_decisions(
    published: Sequence[Publication], created: Mapping[str, Sequence[float]]
) -> Decisions:
    """Match each item with the first Job of its run that is younger and has no other item."""
    jobs = {run: list(times) for run, times in created.items()}
    latencies = []
    for item in published:
        younger = [at for at in jobs.get(item.run, ()) if at >= item.at]
        if younger:
            jobs[item.run].remove(younger[0])
            latencies.append(younger[0] - item.at)
    return Decisions(latencies, without_job=len(published) - len(latencies))


def build_life_figures(site: Site, operator: OperatorProcess) -> list[Figure]:
    """Return what is of the operator's whole life: memory, Lease, and the longest stall."""
    usage, group = operator.read_usage(), operator.group
    group_peak = None if group is None else group.read_peak_megabytes()
    renewals = find_renewals(
        find_own_requests(site, operator), period_seconds=LeaseTimes().retry_seconds
    )
    return [
        Figure("memory, peak", usage.peak_megabytes, "MB"),
        Figure("memory of the group, peak", group_peak, "MB"),
        Figure("memory, limit", site.installation.limit_megabytes, "MB"),
        Figure("Lease renewals", renewals.count),
        Figure("Lease renewals, missed", renewals.missed, goal=0),
        Figure("Lease renewals, longest gap", renewals.longest_gap_seconds, "s"),
        Figure("longest wait of a container probe", operator.longest_answer_seconds, "s"),
    ]


def find_own_requests(site: Site, operator: OperatorProcess) -> list[Request]:
    """Return the requests of this process of the operator, the Lease's included."""
    return within(site.requests.read(), operator.started_at, time.time())
