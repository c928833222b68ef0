"""A producer knows exactly what was confirmed, and writes no number twice."""

from collections.abc import Callable

from tests.chaos.lines import Line, Refused
from tests.chaos.producer import Producer


class FakeLine:
    """Keeps what is sent; refuses what it is told to."""

    def __init__(self, kept: list[str], refuses: Callable[[str], bool]) -> None:
        self._kept = kept
        self._refuses = refuses
        self.is_closed = False

    def send(self, item: str) -> None:
        self._kept.append(item)
        if self._refuses(item):
            raise Refused(item)

    def close(self) -> None:
        self.is_closed = True


def produce(open_line: Callable[[], Line], items: int = 20) -> Producer:
    producer = Producer("list", open_line, seed=1, pace=(items, 0.0))
    producer.start()
    return producer


def test_everything_confirmed_is_sent() -> None:
    kept: list[str] = []
    sent = produce(lambda: FakeLine(kept, lambda _: False)).wait()
    assert sent.confirmed == set(kept)
    assert len(kept) == len(set(kept)) >= 20
    assert sent.unconfirmed == set()


def test_item_without_a_confirm_is_not_written_again() -> None:
    kept: list[str] = []
    sent = produce(lambda: FakeLine(kept, lambda item: item.endswith("3"))).wait()
    assert len(kept) == len(set(kept))
    assert sent.unconfirmed == {item for item in kept if item.endswith("3")}
    assert sent.confirmed == set(kept) - sent.unconfirmed


def test_line_that_refused_is_closed_and_another_is_opened() -> None:
    kept: list[str] = []
    lines: list[FakeLine] = []

    def open_line() -> Line:
        if len(lines) % 2:
            lines.append(FakeLine(kept, lambda _: False))
            raise Refused("not yet")
        lines.append(FakeLine(kept, lambda item: item == "list-00001"))
        return lines[-1]

    sent = produce(open_line).wait()
    assert sent.unconfirmed == {"list-00001"}
    assert [line.is_closed for line in lines] == [True, False, True]


def test_same_seed_sends_the_same_items() -> None:
    first: list[str] = []
    second: list[str] = []
    produce(lambda: FakeLine(first, lambda _: False)).wait()
    produce(lambda: FakeLine(second, lambda _: False)).wait()
    assert first == second


def test_one_of_so_many_items_is_poison() -> None:
    kept: list[str] = []
    producer = Producer(
        "list", lambda: FakeLine(kept, lambda _: False), seed=1, pace=(20, 0.0), poison_every=5
    )
    producer.start()
    producer.wait()
    assert [item for item in kept if item.endswith("-poison")] == [
        item for item in kept if int(item.split("-")[1]) % 5 == 0
    ]
