"""Pods that run our worker: what it does by itself, and what may become of its pod.

Written after `worker/settlement.py`: an item's failure is retried after a delay and dead-lettered
after its last attempt, an item that took too many pods with it is put aside untouched, one whose
last attempt was lost is worked on alone, SIGTERM lets the items in hand be finished or gives them
back, also if their work fails, and a termination message says what was done so far.
"""

from dataclasses import asdict, dataclass, field

from tests.model.pods import GRACE_SECONDS, PROMPT_SECONDS, Phase, Pod, Step, start
from tests.model.queue import Queue
from workqueuejob.contract import exit_codes
from workqueuejob.contract.report import write_report


@dataclass(frozen=True)
class Worker:
    """Our worker and the command that it runs.

    quota: items to settle; None in mode Fine.
    concurrency: how many items it has in hand at once.
    poison: items on which the command fails, killers: on which the pod is killed.
    """

    quota: int | None = None
    max_attempts: int = 3
    max_lost_attempts: int = 3
    retry_delay_seconds: float = 4.0
    poison: frozenset[int] = field(default_factory=frozenset)
    killers: frozenset[int] = field(default_factory=frozenset)
    concurrency: int = 1

    def go_on(self, pod: Pod, step: Step, queue: Queue) -> None:
        """Take a step: WORK takes or finishes an item, PRETEND fails it, CRASH is SIGKILL, and
        LEAVE is what a worker does for which nothing was ready for a while.
        """
        if not pod.is_live or (pod.is_frozen and step is not Step.CRASH):
            return
        if pod.phase is Phase.PENDING:
            if not pod.is_terminating:
                start(pod, queue)
                self._write(pod, queue)
            return
        held = queue.find_hands(pod.name)
        pod.awaits_first = pod.awaits_first and not held
        if step is Step.CRASH:
            self.be_killed(pod, queue)
        elif held and not (step is Step.WORK and self._takes_more(pod, held, queue)):
            begun = self._list_begun(pod, held, queue)
            # Which one ends first is different each time.
            self._go_on_with(begun[sum(asdict(pod.counts).values()) % len(begun)], pod, step, queue)
        elif pod.is_terminating:
            self._exit(pod, queue, exit_codes.STOPPED_EARLY)
        elif self._is_done(pod) or (step is Step.LEAVE and not queue.offers(pod.name)):
            if not pod.awaits_first:
                self._exit(pod, queue, exit_codes.DONE)
        elif step is not Step.LEAVE:
            queue.take(pod.name)
            self._write(pod, queue)

    def hear_sigterm(self, pod: Pod, queue: Queue, *, grace_seconds: float = GRACE_SECONDS) -> None:
        """Take nothing more; the item in hand may be finished."""
        if pod.is_active:
            stays = grace_seconds if queue.find_hands(pod.name) else PROMPT_SECONDS
            pod.kill_at = queue.clock.seconds + stays

    def run_out_of_grace(self, pod: Pod, queue: Queue) -> None:
        """Give back what is in hand; a container that never ran has no say."""
        if pod.is_frozen or not pod.has_run:
            self.be_killed(pod, queue)
        else:
            self._exit(pod, queue, exit_codes.STOPPED_EARLY)

    def be_killed(self, pod: Pod, queue: Queue, *, after_settling: bool = False) -> None:
        """Be ended by SIGKILL, perhaps between an acknowledgement and the message about it."""
        held = queue.find_hands(pod.name)
        if after_settling and held and not pod.is_frozen:
            # It has said that it holds them before it begins with them.
            self._write(pod, queue)
            queue.settle(held[-1])
        pod.phase, pod.exit_code = Phase.FAILED, exit_codes.KILLED
        queue.cut_off(pod.name)

    def give_up(self, pod: Pod, queue: Queue) -> None:
        """End with an error of the worker itself, such as a login that is refused."""
        if pod.phase is Phase.RUNNING and not pod.is_frozen:
            self._exit(pod, queue, exit_codes.FAILED)

    def _takes_more(self, pod: Pod, held: list[str], queue: Queue) -> bool:
        """Take another item beside those in hand, where a worker asks for it; return whether."""
        wanted = self.concurrency if self.quota is None else self.quota - pod.counts.settled
        is_full = len(held) >= min(self.concurrency, wanted)
        if is_full or pod.is_terminating or any(queue.held[hand] in queue.lost for hand in held):
            return False
        queue.take(pod.name)
        self._write(pod, queue)
        return len(queue.find_hands(pod.name)) > len(held)

    def _list_begun(self, pod: Pod, held: list[str], queue: Queue) -> list[str]:
        """Return the hands with what is worked on; nothing is beside an item that was lost."""
        lone = [hand for hand in held if queue.held[hand] in queue.lost]
        if not lone or self.concurrency == 1:
            return held
        queue.unsubscribe(pod.name)
        for hand in lone[1:]:
            # It came together with the first one, which the worker took.
            queue.return_untaken(hand)
        return [hand for hand in held if hand not in lone] or lone[:1]

    def _go_on_with(self, hand: str, pod: Pod, step: Step, queue: Queue) -> None:
        item = queue.held[hand]
        if pod.is_terminating:
            queue.unsubscribe(pod.name)
        if queue.losses[item] >= self.max_lost_attempts:
            self._bury(hand, pod, queue, attempts_failed=0)
        elif item in self.killers:
            # It has said that it holds the item before it begins with it.
            self._write(pod, queue)
            self.be_killed(pod, queue)
        elif step is Step.PRETEND or item in self.poison:
            self._fail(hand, pod, queue)
        elif step is Step.WORK:
            queue.settle(hand)
            # What came back once may have been counted before.
            pod.counts = pod.counts.plus(succeeded=1, uncertain=int(item in queue.returned))
        self._finish_step(pod, queue)

    def _fail(self, hand: str, pod: Pod, queue: Queue) -> None:
        if pod.is_terminating:
            # After a stop any exit but 0 gives the item back.
            queue.release(hand)
            pod.counts = pod.counts.plus(released=1)
        elif queue.attempts[queue.held[hand]] + 1 >= self.max_attempts:
            self._bury(hand, pod, queue, attempts_failed=1)
        else:
            queue.retry(hand, delay_seconds=self.retry_delay_seconds)
            pod.counts = pod.counts.plus(attempts_failed=1)

    def _bury(self, hand: str, pod: Pod, queue: Queue, *, attempts_failed: int) -> None:
        is_uncertain = queue.held[hand] in queue.returned
        queue.bury(hand, attempts_failed=attempts_failed)
        pod.counts = pod.counts.plus(
            dead_lettered=1, attempts_failed=attempts_failed, uncertain=int(is_uncertain)
        )

    def _finish_step(self, pod: Pod, queue: Queue) -> None:
        if not pod.is_live:
            return
        if self._is_done(pod):
            # It cancels together with the last settlement: what came meanwhile goes back.
            self._exit(pod, queue, exit_codes.DONE)
        elif pod.is_terminating and not queue.find_hands(pod.name):
            self._exit(pod, queue, exit_codes.STOPPED_EARLY)
        else:
            if not queue.find_hands(pod.name):
                # It had unsubscribed if it worked on an item alone.
                queue.resume(pod.name)
            self._write(pod, queue)

    def _is_done(self, pod: Pod) -> bool:
        return self.quota is not None and pod.counts.settled >= self.quota

    def _exit(self, pod: Pod, queue: Queue, code: int) -> None:
        pod.exit_code = code
        pod.phase = Phase.SUCCEEDED if code == exit_codes.DONE else Phase.FAILED
        queue.lost.difference_update(queue.held[hand] for hand in queue.find_hands(pod.name))
        queue.disconnect(pod.name)
        self._write(pod, queue)

    def _write(self, pod: Pod, queue: Queue) -> None:
        pod.message = write_report(pod.counts, held=len(queue.find_hands(pod.name)))
