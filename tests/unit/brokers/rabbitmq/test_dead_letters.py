"""A dead letter with as many of its item's headers as fit into a frame."""

from workqueuejob.brokers.broker import Delivery
from workqueuejob.brokers.rabbitmq.dead_letters import build_dead_letter, leave_out_largest
from workqueuejob.brokers.rabbitmq.properties import Properties
from workqueuejob.brokers.rabbitmq.tables import Table, encode_field

ITEM = Delivery(id="1", body=b"apple")


def a_letter(headers: Table) -> Properties:
    properties = Properties().replace(headers=headers, without=(), delivery_mode=2)
    return build_dead_letter(
        properties, ITEM, reason="no good", attempts=3, origin=("job1", "pod-1")
    )


def test_largest_headers_are_left_out_one_after_the_other_and_named() -> None:
    fields = {"small": "kept", "large": "x" * 900, "larger": "x" * 1000}
    letter = a_letter(Table().with_fields({n: encode_field(v) for n, v in fields.items()}))
    once = leave_out_largest(letter)
    assert once is not None
    assert once.headers.get("x-wqj-dead-letter-left-out") == "larger"
    assert once.headers.get("large") == fields["large"]
    twice = leave_out_largest(once)
    assert twice is not None
    assert twice.headers.get("x-wqj-dead-letter-left-out") == "larger, large"
    assert twice.headers.get("small") == "kept"
    assert twice.headers.get("x-wqj-dead-letter-reason") == "no good"


def test_what_can_not_be_decoded_is_left_out_last() -> None:
    letter = a_letter(Table((), b"\x05large?" + bytes(1000)))
    smaller = leave_out_largest(letter)
    assert smaller is not None
    # The header with the item's id is the last one of the item.
    last = leave_out_largest(smaller)
    assert last is not None
    assert last.size_bytes < 400
    assert leave_out_largest(last) is None
