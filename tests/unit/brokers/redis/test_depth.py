"""How the server's counters are read; what they count is tried on a real one."""

from workqueuejob.brokers.redis.probe import read_counts
from workqueuejob.contract.report import ItemCounts


def test_no_counters_are_unknown_counts() -> None:
    assert read_counts([]) is None


def test_counters_are_read_by_name_and_what_is_missing_is_zero() -> None:
    assert read_counts([b"succeeded", b"3", b"attempts_lost", b"1"]) == ItemCounts(
        succeeded=3, attempts_lost=1
    )


def test_counter_of_a_later_version_is_ignored() -> None:
    assert read_counts([b"succeeded", b"3", b"admired", b"7"]) == ItemCounts(succeeded=3)
