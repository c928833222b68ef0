"""Whether a quorum queue's zero comes from its leader.

RabbitMQ answers the declare of a quorum queue whose leader is gone with zeros. What tells the two
apart, tried with a queue whose process was ended:

    3.10  the totals' state is `down`; the members' states can't be asked for
    4.0   the totals' state is still `running`, for it is only about nodes; the members' states
          say `noproc`
    4.3   both tell

So a zero is believed where the totals call the queue running, and its leader calls itself so if
the broker can be asked.
"""

from collections.abc import Mapping

from workqueuejob.brokers.depth import DepthWarning
from workqueuejob.brokers.rabbitmq.management import QueueTotals
from workqueuejob.errors import MeasurementUnreliable

UNAVAILABLE_STATES = frozenset({"down", "crashed", "stopped", "minority"})
LEADER = "leader"


def check_state(queue: str, totals: QueueTotals) -> None:
    """Raise MeasurementUnreliable for a queue that the broker calls unavailable."""
    if totals.state in UNAVAILABLE_STATES:
        raise MeasurementUnreliable(
            f"queue {queue!r} is {totals.state} at the broker, so its numbers mean nothing; "
            "bring its broker nodes back"
        )


def check_leader(
    queue: str, totals: QueueTotals, members: Mapping[str, str] | DepthWarning | None
) -> None:
    """Raise MeasurementUnreliable unless the zeros of a quorum queue come from its leader.

    members: their Raft states by node; None where this RabbitMQ can't be asked.
    """
    if members is None:
        return
    if isinstance(members, DepthWarning):
        raise MeasurementUnreliable(
            f"queue {queue!r} answers with zeros, as it does without a leader, and whether it has "
            f"one is unknown: {members.message}"
        )
    # The broker asks the leader that it knows of, not the one that may have been elected since.
    state = members.get(totals.leader or "", "unknown")
    if state != LEADER:
        raise MeasurementUnreliable(
            f"queue {queue!r} is down at the broker: the state of its leader on {totals.leader} is "
            f"{state!r}, so its numbers mean nothing; see that node's log, or restart it"
        )
