"""What the fake broker does with items; its probe is held to the contract suite."""

from tests.fake_broker import FakeBroker


def test_consumer_is_given_the_next_item_after_an_ack() -> None:
    queue = FakeBroker().declare("a")
    queue.publish("1", "2", "3")
    consumer = queue.consume()
    consumer.ack()
    assert (consumer.unacked, list(queue.ready)) == (["2"], ["3"])


def test_requeued_item_comes_first_again() -> None:
    queue = FakeBroker().declare("a")
    queue.publish("1", "2")
    consumer = queue.consume()
    consumer.requeue()
    assert (consumer.unacked, list(queue.ready)) == (["1"], ["2"])


def test_items_of_a_closed_consumer_go_to_another_in_order() -> None:
    queue = FakeBroker().declare("a")
    queue.publish("1", "2", "3")
    dying = queue.consume(prefetch=2)
    other = queue.consume()
    dying.close()
    assert (other.unacked, list(queue.ready)) == (["3"], ["1", "2"])
