"""What must hold of a run with our worker: its ledger, and what it may end for."""

from tests.model.broker import Broker, Detail
from tests.model.job_controller import JobController
from tests.model.pods import Pod
from tests.model.resource_store import ResourceStore
from tests.model.strangers import is_stranger
from workqueuejob.api import Condition, ItemsStatus
from workqueuejob.api.status import Accounting
from workqueuejob.contract import exit_codes
from workqueuejob.planning.ledger.items import count_settled
from workqueuejob.planning.rules.limits import DEADLINE_EXCEEDED
from workqueuejob.planning.verdict import find_end


class Auditor:
    """Checks the ledger against the truth; every method raises AssertionError when it is wrong.

    has_restarted: the operator was, so that what happened meanwhile may have passed unseen.
    """

    def __init__(self, store: ResourceStore, controller: JobController, broker: Broker) -> None:
        self._store, self._controller, self._broker = store, controller, broker
        self._queue = controller.queue
        self.has_restarted = False
        self.has_forgotten = False
        self._has_judged_end = False

    def audit(self) -> None:
        """Check what must hold at every step, and at the end."""
        status = self._store.current.status
        end, items = find_end(status.conditions), status.items
        if items is None:
            return
        assert items.total == count_settled(items) + (items.remaining or 0), items
        if end is None or self._has_judged_end:
            return
        self._has_judged_end = True
        if end.reason == DEADLINE_EXCEEDED and self._broker.is_blind:
            return
        self._judge_end(end)
        assert items.remaining == self._broker.remaining_measured, "left is not what is left"
        if self._broker.detail is Detail.LOG:
            assert count_settled(items) <= len(self._queue.settled) + len(self._queue.dead), items
        if self._is_exact(items):
            told = (items.succeeded, items.dead_lettered)
            # A success whose acknowledgement the broker forgot stays one until the item is done
            # again.
            succeeded = self._queue.forgotten | self._queue.settled
            ours = [
                item
                for item, consumer in succeeded.items()
                if item not in self._queue.dead and not is_stranger(consumer)
            ]
            assert told == (len(ours), len(self._queue.dead)), items

    def _judge_end(self, end: Condition) -> None:
        if end.type == "Complete":
            assert self._broker.remaining_measured == 0, "Complete although items are left"
        assert end.reason != "NoProgress", "our workers settle what they take"
        policy = self._store.current.spec.failure_policy
        if end.reason == "TooManyDeadLettered":
            assert policy is not None
            if isinstance(policy.max_dead_lettered, int):
                assert len(self._queue.dead) > policy.max_dead_lettered, "a false alarm"

    def _is_exact(self, items: ItemsStatus) -> bool:
        """Return whether the ledger has to be the truth, and check that it says so."""
        is_counted = items.accounting is Accounting.COUNTED
        if self._broker.detail is Detail.LEASES:
            assert is_counted or self.has_forgotten, "the broker's word is good"
            return not self.has_forgotten
        deleted = [pod for _, pod in self._controller.deleted_pods if pod.has_run]
        gone = deleted or self._controller.deleted_jobs
        killed = [p for p in self._ended_pods if p.has_run and p.exit_code == exit_codes.KILLED]
        lost = [pod for pod in self._controller.live_pods if pod.is_lost]
        if not gone and not killed and not lost and not self._queue.forgotten:
            assert is_counted, "every pod that ran has reported"
        # What a pod had reported that was deleted between two operators, nobody knows.
        return is_counted and not (gone and self.has_restarted)

    @property
    def _ended_pods(self) -> list[Pod]:
        there = [pod for job in self._controller.jobs.values() for pod in job.ended_pods]
        return there + [pod for _, pod in self._controller.expired_pods]
