"""RabbitMQ that is short of memory reads nothing from connections that publish."""

from pathlib import Path

import pytest

from tests.contract.worker.conftest import Connect, open_bench
from tests.contract.worker.rabbitmq_bench import (
    ClassicBench,
    QuorumBench,
    RabbitMQWorkerBench,
)
from tests.contract.worker.test_worker_contract import drain, eventually_left, surviving, take
from tests.unit.worker.builders import build_settings
from workqueuejob.brokers.broker import Broker, Delivery
from workqueuejob.contract.report import read_report
from workqueuejob.errors import PublishingUnavailable
from workqueuejob.worker.engine import Engine
from workqueuejob.worker.stop_request import StopRequest

pytestmark = [pytest.mark.rabbitmq, pytest.mark.starts_early, pytest.mark.timeout(240)]


@pytest.fixture(params=[ClassicBench, QuorumBench], ids=["classic", "quorum"])
def bench(request: pytest.FixtureRequest) -> RabbitMQWorkerBench:
    kind: type[RabbitMQWorkerBench] = request.param
    return open_bench(kind, request)


def test_backlog_is_drained_although_the_broker_takes_no_messages(
    bench: RabbitMQWorkerBench, connect: Connect
) -> None:
    bodies = [b"%d" % number for number in range(20)]
    bench.produce(*bodies)
    before = connect()
    before.ack(take(before))
    with bench.server.alarm("memory"):
        found = [*drain(before)[:10]]
        found += drain(connect(prefetch=5))
        assert len(found) >= 10
        assert bench.count_left() == 0


def test_item_that_needs_publishing_waits_and_is_held(
    bench: RabbitMQWorkerBench, connect: Connect
) -> None:
    bench.produce(b"poison")
    broker, other = connect(), connect(pod="pod-2")
    item = take(broker)
    with bench.server.alarm("memory"):
        for _ in range(3):
            with pytest.raises(PublishingUnavailable, match="takes no messages"):
                broker.dead_letter(item, reason="exit code 3")
            assert not broker.renew([item])
        assert other.take(timeout_seconds=0.5) is None

    def bury() -> Delivery:
        broker.dead_letter(item, reason="exit code 3")
        return item

    assert surviving(bury) is item
    assert [dead.body for dead in bench.dead_letters()] == [b"poison"]
    assert eventually_left(bench, 0)


def test_item_is_released_although_the_broker_takes_no_messages(
    bench: RabbitMQWorkerBench, connect: Connect
) -> None:
    bench.produce(b"apple")
    broker = connect()
    with bench.server.alarm("memory"):
        broker.release(take(broker))
        broker.close()
        item = take(connect(pod="pod-2"))
        assert (item.body, item.attempt) == (b"apple", 1)


def test_alarm_is_named_in_log_and_report(
    bench: RabbitMQWorkerBench,
    connect: Connect,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "message"
    path.touch()
    bench.produce(b"poison")
    broker: Broker = connect()
    stop = StopRequest(0.5)
    engine = Engine(build_settings(path), lambda: broker, stop=stop)
    with bench.server.alarm("memory"):
        item = engine.next()
        assert item is not None
        stop.request()
        assert not engine.settlement.fail(item, "no good")
    assert "low on memory" in capfd.readouterr().err
    report = read_report(path.read_text())
    assert report is not None
    assert "low on memory" in (report.note or "")
