"""An item, apart from its settlement."""

from tests.unit.worker.builders import Plant
from workqueuejob.brokers.broker import Delivery
from workqueuejob.brokers.envelope import Envelope
from workqueuejob.worker.item import Item


class CountingHandle:
    reads = 0

    def read_envelope(self) -> Envelope:
        self.reads += 1
        return Envelope(headers={"trace": "t-1"})


def test_envelope_is_decoded_once_and_only_when_it_is_asked_for() -> None:
    handle = CountingHandle()
    item = Item(Plant().engine.settlement, Delivery("a", b"apple", handle=handle))
    assert item.text == "apple"
    assert handle.reads == 0
    assert (item.headers, item.key) == ({"trace": "t-1"}, None)
    assert handle.reads == 1
