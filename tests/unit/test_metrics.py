"""The counters of items follow statuses and never fall; what can't be read is shown."""

from prometheus_client import REGISTRY

from workqueuejob.api.status import ItemsStatus
from workqueuejob.metrics import count_items, show_unreadable


def read(result: str) -> float:
    return REGISTRY.get_sample_value("wqj_items_total", {"result": result}) or 0.0


def test_what_a_status_says_more_is_counted() -> None:
    before = read("succeeded"), read("dead_lettered")

    count_items(None, ItemsStatus(succeeded=3))
    count_items(ItemsStatus(succeeded=3), ItemsStatus(succeeded=5, dead_lettered=1))

    assert (read("succeeded"), read("dead_lettered")) == (before[0] + 5, before[1] + 1)


def test_number_that_falls_is_not_taken_back() -> None:
    before = read("succeeded")

    count_items(ItemsStatus(succeeded=5), ItemsStatus(succeeded=4))

    assert read("succeeded") == before


def test_what_can_not_be_read_is_shown_until_it_can_again() -> None:
    def shown() -> float | None:
        return REGISTRY.get_sample_value(
            "wqj_unreadable", {"namespace": "shop", "resource": "pods"}
        )

    show_unreadable("shop", "pods", False)
    assert shown() == 1
    show_unreadable("shop", "pods", True)
    assert shown() is None
