"""The operator's Prometheus metrics: counts, and decides nothing.

No label is the name of a WorkQueueJob or a queue, because the series would grow with their number.
"""

from collections import Counter as CountOf
from collections.abc import Callable, Iterable, Iterator

from prometheus_client import REGISTRY, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from workqueuejob.api.status import ItemsStatus
from workqueuejob.brokers.depth import Measurement
from workqueuejob.errors import QueueError
from workqueuejob.planning.pacing.urgency import Urgency

JOBS_CREATED = Counter("wqj_jobs_created", "Jobs created, one per wave.")
RECONCILES = Histogram(
    "wqj_reconcile_duration_seconds",
    "Time of one reconcile, waiting for a fresh measurement included.",
)
RECONCILE_ERRORS = Counter(
    "wqj_reconcile_errors", "Reconciles that ended with an error.", ["reason"]
)
MEASUREMENTS = Histogram(
    "wqj_measurement_duration_seconds",
    "Time of one measurement of a queue.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
MEASUREMENT_ERRORS = Counter(
    "wqj_measurement_errors", "Measurements that failed, by reason.", ["reason"]
)

ITEMS = Counter(
    "wqj_items", "Items that runs were seen to settle, by what became of them.", ["result"]
)
ATTEMPTS_FAILED = Counter(
    "wqj_item_attempts_failed", "Attempts of items that were seen to fail or to be lost."
)
MEASUREMENT_INTERVAL = Gauge(
    "wqj_measurement_interval_seconds",
    "The longest interval in force between two looks at a queue, by whether its run is at work.",
    ["runs"],
)
CONNECTIONS = Gauge("wqj_broker_connections", "Open connections to brokers.")
REQUEST_WAITS = Histogram(
    "wqj_api_request_wait_seconds",
    "Time that requests to the API server waited for their turn, by urgency.",
    ["urgency"],
    buckets=(0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
LEADER = Gauge("wqj_leader", "1 in the replica that leads, 0 in one that stands by.")
UNREADABLE = Gauge(
    "wqj_unreadable",
    "1 for each kind of objects that the API server does not let the operator read.",
    ["namespace", "resource"],
)


def show_unreadable(namespace: str, resource: str, is_readable: bool) -> None:
    """Expose that objects can't be read, or take that down."""
    if is_readable:
        UNREADABLE.remove(namespace, resource)
    else:
        UNREADABLE.labels(namespace, resource).set(1)


def count_items(old: ItemsStatus | None, new: ItemsStatus | None) -> None:
    """Add to the counters by how much the new status says more than the old one."""
    old, new = old or ItemsStatus(), new or ItemsStatus()
    for result in ("succeeded", "dead_lettered", "discarded"):
        more = (getattr(new, result) or 0) - (getattr(old, result) or 0)
        ITEMS.labels(result).inc(max(0, more))
    ATTEMPTS_FAILED.inc(max(0, (new.attempts_failed or 0) - (old.attempts_failed or 0)))


def count_wait(urgency: Urgency, seconds: float) -> None:
    """Count how long a request to the API server has waited for its turn."""
    REQUEST_WAITS.labels(urgency.name.lower()).observe(seconds)


class MeasurementMetrics:
    """Counts what the meter does; the meter calls it from its thread."""

    def measured(self, measurement: Measurement, duration_seconds: float) -> None:
        """Count one measurement."""
        MEASUREMENTS.observe(duration_seconds)
        if isinstance(measurement.result, QueueError):
            MEASUREMENT_ERRORS.labels(measurement.result.reason).inc()

    def connections_changed(self, difference: int) -> None:
        """Follow a connection that was opened (+1) or closed (-1)."""
        CONNECTIONS.inc(difference)

    def interval_changed(self, *, at_work: float, idle: float) -> None:
        """Show the longest intervals in force."""
        MEASUREMENT_INTERVAL.labels("at_work").set(at_work)
        MEASUREMENT_INTERVAL.labels("idle").set(idle)


class _ObjectsCollector(Collector):
    """Counts the objects at each scrape, so that no series stays behind of deleted ones."""

    def __init__(self, list_objects: Callable[[], Iterable[tuple[str, str]]]) -> None:
        self._list_objects = list_objects

    def collect(self) -> Iterator[GaugeMetricFamily]:
        family = GaugeMetricFamily(
            "wqj_workqueuejobs",
            "WorkQueueJobs by the reason of their condition Progressing.",
            labels=["namespace", "reason"],
        )
        for labels, number in CountOf(self._list_objects()).items():
            family.add_metric(list(labels), number)
        yield family


def expose_objects(list_objects: Callable[[], Iterable[tuple[str, str]]]) -> Callable[[], None]:
    """Expose the gauge of objects; return a function that takes it down again.

    list_objects: returns the namespace and the reason of Progressing of each WorkQueueJob.
    """
    collector = _ObjectsCollector(list_objects)
    REGISTRY.register(collector)
    return lambda: REGISTRY.unregister(collector)
