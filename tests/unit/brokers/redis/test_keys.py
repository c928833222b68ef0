"""Every key that is added lies in the slot of the user's own key."""

import pytest
from redis.crc import key_slot

from workqueuejob.brokers.redis.keys import build_keys
from workqueuejob.contract.dead_letters import dead_key


@pytest.mark.parametrize("key", ["job2", "{app}:jobs", "jobs:{app}", "a{b", "ключ", "a b"])
@pytest.mark.parametrize("group", [None, "workers"])
def test_all_keys_of_a_queue_share_its_slot(key: str, group: str | None) -> None:
    keys = build_keys(key, consumer_group=group, run="uid-1").all
    assert {key_slot(one.encode()) for one in (*keys, dead_key(key))} == {key_slot(key.encode())}


def test_keys_tell_which_queue_they_belong_to() -> None:
    keys = build_keys("job2", run="uid-1")
    assert keys.queue == "job2"
    assert keys.leases == "{job2}:wqj:leases"
    assert keys.counts == "{job2}:wqj:run:uid-1"
    assert build_keys("{app}:jobs").leases == "{app}:jobs:wqj:leases"


def test_groups_of_one_stream_share_nothing_but_the_counters() -> None:
    one, two = (build_keys("s", consumer_group=name, run="r") for name in ("one", "two"))
    assert set(one.all) & set(two.all) == {"s", "{s}:wqj:run:r"}


def test_no_key_is_another_ones() -> None:
    keys = build_keys("job2", run="r").all
    assert len(set(keys)) == len(keys)
