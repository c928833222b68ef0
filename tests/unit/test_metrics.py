"""The counters of items follow what statuses say, and never fall."""

from prometheus_client import REGISTRY

from workqueuejob.api.status import ItemsStatus
from workqueuejob.metrics import count_items


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
