"""Checks that a quorum queue's zeros come from its leader; asks nothing itself.

RabbitMQ answers the declare of a quorum queue that has lost its leader with zeros. The management
API shows the difference. Tried with a queue whose process was ended:

    3.10  the totals' state is `down`; the API does not give the members' states
    4.0   the totals' state is still `running`, because it only reflects nodes; the members' states
          are `noproc`
    4.3   both show it

So a zero is believed where the totals do not call the queue unavailable, and the leader's state is
`leader` as far as the API gives it.
"""

from collections.abc import Mapping

from workqueuejob.brokers.depth import DepthWarning
from workqueuejob.brokers.rabbitmq.management import QueueTotals
from workqueuejob.errors import MeasurementUnreliable

UNAVAILABLE_STATES = frozenset({"down", "crashed", "stopped", "minority"})
LEADER = "leader"


def check_state(queue: str, totals: QueueTotals) -> None:
    """Raise MeasurementUnreliable for a queue whose state means that it is unavailable."""
    if totals.state in UNAVAILABLE_STATES:
        raise MeasurementUnreliable(
            f"queue {queue!r} is {totals.state} at the broker, so its numbers mean nothing; "
            "bring its broker nodes back"
        )


def check_leader(
    queue: str, totals: QueueTotals, members: Mapping[str, str] | DepthWarning | None
) -> None:
    """Raise MeasurementUnreliable unless the zeros of a quorum queue come from its leader.

    members: the Raft states of the members by node; a warning where the API failed; None where
        this RabbitMQ does not give them.
    """
    if members is None:
        return
    if isinstance(members, DepthWarning):
        raise MeasurementUnreliable(
            f"queue {queue!r} answers with zeros, as it does without a leader, and whether it has "
            f"one is unknown: {members.message}"
        )
    # The broker asks the leader that it knows, and not one that was elected since.
    state = members.get(totals.leader or "", "unknown")
    if state != LEADER:
        raise MeasurementUnreliable(
            f"queue {queue!r} is down at the broker: the state of its leader on {totals.leader} is "
            f"{state!r}, so its numbers mean nothing; see that node's log, or restart it"
        )
