"""What is written down about a topic comes back as it was, and others' notes tell nothing."""

import pytest

from workqueuejob.contract.offsets import (
    FRESH,
    NextItem,
    TopicOffsets,
    build_client_id,
    is_own_client,
    read_metadata,
    read_offsets,
    write_metadata,
)


@pytest.mark.parametrize("offsets", [(), (0,), (1042, 1040, 0, 77)])
def test_ends_are_read_back(offsets: tuple[int, ...]) -> None:
    ends = TopicOffsets("IUbsfe94QKSwMdTvRj3M/w", offsets)
    assert read_offsets(ends.write()) == ends


def test_ends_are_compact() -> None:
    assert TopicOffsets("id", (5, 0, 12)).write() == "id:5,0,12"


def test_partition_that_came_later_ended_at_0() -> None:
    assert [TopicOffsets("id", (5, 7)).at(number) for number in (0, 1, 2)] == [5, 7, 0]


@pytest.mark.parametrize("text", ["", "id", "id:1,x"])
def test_what_are_no_ends_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_offsets(text)


@pytest.mark.parametrize(
    "item",
    [
        FRESH,
        NextItem(1, is_held=True),
        NextItem(2, due_at=1789034400.25),
        NextItem(3, is_held=True, due_at=5.0),
        NextItem(3, due_at=5.0, lost=2),
    ],
)
def test_history_of_an_item_is_read_back(item: NextItem) -> None:
    assert read_metadata(write_metadata(item)) == item


def test_attempt_that_is_still_held_when_the_next_begins_was_lost() -> None:
    first = FRESH.begin()
    assert (first.attempts, first.lost) == (1, 0)
    second = first.begin()
    assert (second.attempts, second.lost) == (2, 1)
    third = NextItem(second.attempts, due_at=5.0, lost=second.lost).begin()
    assert (third.attempts, third.lost) == (3, 1)


def test_item_without_a_history_needs_no_metadata() -> None:
    assert write_metadata(FRESH) == ""


@pytest.mark.parametrize(
    "metadata",
    [
        None,
        "",
        "mine",
        "[]",
        '{"attempts":3}',
        '{"wqj":2,"attempts":3}',
        '{"wqj":1,"attempts":"3"}',
        '{"wqj":1,"attempts":3,"due":"soon"}',
        '{"wqj":1,"attempts":3,"lost":"some"}',
    ],
)
def test_metadata_of_others_tell_nothing(metadata: str | None) -> None:
    assert read_metadata(metadata) == FRESH


def test_members_of_a_run_are_told_from_strangers() -> None:
    client_id = build_client_id(run="uid-1", pod="fruits-1-x")
    assert is_own_client(client_id, run="uid-1")
    assert not is_own_client(client_id, run="uid-2")
    assert not is_own_client(client_id, run="uid")
    assert not is_own_client("rdkafka", run="uid-1")
