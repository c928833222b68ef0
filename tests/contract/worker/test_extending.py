"""`item.extend()` asks the broker: what it says is true now, not when the broker last spoke."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotDone
from contextlib import closing, contextmanager
from typing import Any

import pytest

from tests.contract.worker.bench import Bench
from tests.contract.worker.conftest import REAL, open_bench
from tests.contract.worker.test_worker_contract import after_kill, refused, take
from tests.unit.worker.builders import build_settings
from tests.unit.worker.builders import take as take_item
from workqueuejob.worker.engine import Engine
from workqueuejob.worker.item import Item
from workqueuejob.worker.stop_request import StopRequest

PATIENCE_SECONDS = 30
LONGER_THAN_A_ROUND_TRIP_SECONDS = 0.5


TWINS = {"stream", "quorum"}


@pytest.fixture(
    params=[
        pytest.param(*kind.values, id=kind.id, marks=[*kind.marks, pytest.mark.nightly])
        if kind.id in TWINS
        else kind
        for kind in REAL
    ]
)
def bench(request: pytest.FixtureRequest) -> Any:
    kind: Any = request.param
    return open_bench(kind, request)


@contextmanager
def held(bench: Bench) -> Iterator[Item]:
    bench.make_room(2)
    bench.produce(b"apple")
    engine = Engine(build_settings(), bench.connect, stop=StopRequest(30.0))
    try:
        yield take_item(engine)
    finally:
        engine.close()


def test_extend_says_nothing_while_the_broker_does_not_answer(bench: Any) -> None:
    with held(bench) as item, ThreadPoolExecutor() as pool:
        with bench.server.suspended():
            extended = pool.submit(item.extend)
            with pytest.raises(NotDone):
                extended.result(LONGER_THAN_A_ROUND_TRIP_SECONDS)
        extended.result(PATIENCE_SECONDS)
        assert item.ack()


def test_cut_off_worker_is_told_that_another_has_its_item(bench: Any) -> None:
    bench.produce(b"apple")
    with closing(bench.connect()) as cut:
        item = take(cut)
        cut.extend(item)
        bench.kill(cut)
        with closing(bench.connect(pod="pod-2")) as other:
            taken = take(other, after_kill(bench))
            assert refused(lambda: cut.extend(item))
            other.ack(taken)
