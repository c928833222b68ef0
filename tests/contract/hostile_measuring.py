"""Measures a broker once: what the operator says of it, how long it took, how far memory grew.

`python -m tests.contract.hostile_measuring BROKER:PORT ...` does so one after the other in a
process of its own, and writes a line of JSON for each.
"""

import json
import resource
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from tests.builders import a_work_queue_job
from tests.driving import drive
from workqueuejob.brokers.connection import BrokerConnection, TLSSettings
from workqueuejob.brokers.depth import QueueDepth
from workqueuejob.brokers.kafka.settings import KafkaConnection
from workqueuejob.brokers.rabbitmq.management import ManagementClient
from workqueuejob.brokers.rabbitmq.settings import RabbitMQConnection
from workqueuejob.brokers.redis.settings import RedisConnection, Sentinel
from workqueuejob.brokers.references import build_reference, connect
from workqueuejob.errors import QueueError

HOST = "127.0.0.1"
MOST_ADDRESSES = 2 * 1024**3


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a measurement; `reason` is a warning's where there is a depth.

    grown_mb: of the process, at its highest.
    """

    reason: str
    message: str
    seconds: float
    grown_mb: float


def measure(broker: str, port: int) -> Outcome:
    """Measure once, and say what came of it."""
    before, began = _highest_mb(), time.monotonic()
    reason, message = _find_reason(broker, port)
    return Outcome(reason, message, time.monotonic() - began, _highest_mb() - before)


def _find_reason(broker: str, port: int) -> tuple[str, str]:
    if broker == "management":
        url = f"http://{HOST}:{port}"
        client = ManagementClient(RabbitMQConnection(HOST, management_url=url), url)
        totals = client.read_totals()
        return getattr(totals, "reason", "Measured"), getattr(totals, "message", "")
    settings, spec = _settings(broker, port)
    with suppress(ImportError):
        # So that a client's own size is no growth.
        import confluent_kafka.admin  # noqa: F401 - see above
    try:
        probe = drive(connect(settings))
        try:
            probe.begin_round()
            depth = probe.measure(build_reference(a_work_queue_job(**spec)))
        finally:
            probe.close()
    except QueueError as error:
        return error.reason, str(error)
    assert isinstance(depth, QueueDepth)
    return "Measured", str(depth)


def _settings(broker: str, port: int) -> tuple[BrokerConnection, dict[str, Any]]:
    match broker:
        case "redis":
            return RedisConnection(HOST, port), {"redis": {}}
        case "redis-tls":
            return RedisConnection(HOST, port, tls=TLSSettings(verify=False)), {"redis": {}}
        case "sentinel":
            sentinel = Sentinel("mymaster", (f"{HOST}:{port}", f"{HOST}:{port}"))
            return RedisConnection(sentinel=sentinel), {"redis": {}}
        case "rabbitmq":
            return RabbitMQConnection(HOST, port), {}
        case "kafka":
            return KafkaConnection((f"{HOST}:{port}",)), {"kafka": {}}
    raise ValueError(broker)


def _highest_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(asked: list[str]) -> None:
    """Measure what is asked for; memory is limited."""
    resource.setrlimit(resource.RLIMIT_AS, (MOST_ADDRESSES, MOST_ADDRESSES))
    for one in asked:
        broker, _, port = one.partition(":")
        outcome = json.dumps(asdict(measure(broker, int(port))))
        sys.stdout.write(f"{outcome}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
