"""Whether a run has kept its promises, and the figures that show it. Pure.

An item may be worked on twice only if its delivery was outstanding when something was broken that
a delivery depends on: its worker, or its broker. The operator, the node and the control plane must
cost no delivery.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import astuple, dataclass

from .evidence import POISON, Evidence, Injection, Outcome, Sent, Work

DRAINED = "Complete/Drained"
DRAINED_BUT_FOR_POISON = "Complete/CompletedWithDeadLetters"

HANDING_SECONDS = 1.0
"""A delivery is outstanding before its command begins; a loaded machine takes so long at most."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one queue, or of all of them. processed: done or, of poison, put aside."""

    sent: int
    unconfirmed: int
    processed: int
    repeated: int
    outstanding: int
    lost: int
    jobs: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the evidence says.

    violations: sentences; none if every promise was kept.
    converged_seconds: from the last fault and the last item sent to the last run's end.
    """

    figures: dict[str, Figures]
    total: Figures
    converged_seconds: float
    violations: tuple[str, ...]


def judge(evidence: Evidence, *, faults_wanted: int) -> Verdict:
    """Return the figures of every queue, and every promise that was broken."""
    figures = {queue: _count(evidence, queue) for queue in evidence.sent}
    columns = zip(*map(astuple, figures.values()), strict=True)
    return Verdict(
        figures,
        Figures(*(sum(column) for column in columns)),
        _measure_convergence(evidence),
        tuple(_find_violations(evidence, figures, faults_wanted)),
    )


def count_outstanding(injection: Injection, work: dict[str, list[Work]], queue: str) -> int:
    """Return how many workers of a queue that a fault reached had an item in hand, or got one.

    work: of each pod. A worker has one item in hand, from its delivery to the next one.
    """
    return sum(
        _had_an_item(injection, work.get(worker.pod, []))
        for worker in injection.reached
        if worker.queue == queue
    )


def _had_an_item(injection: Injection, work: list[Work]) -> bool:
    begins = sorted(entry.begun for entry in work)
    held_until = [*begins[1:], float("inf")]
    return any(
        begun - HANDING_SECONDS <= injection.ended and until >= injection.began
        for begun, until in zip(begins, held_until, strict=False)
    )


def _count(evidence: Evidence, queue: str) -> Figures:
    sent = evidence.sent[queue]
    settled = [*_list_done(evidence, queue), *evidence.outcomes[queue].dead]
    by_pod: dict[str, list[Work]] = defaultdict(list)
    for entry in evidence.work:
        by_pod[entry.pod].append(entry)
    return Figures(
        sent=len(sent.confirmed),
        unconfirmed=len(sent.unconfirmed),
        processed=len(set(settled)),
        repeated=len(settled) - len(set(settled)),
        outstanding=sum(
            count_outstanding(injection, by_pod, queue) for injection in evidence.injections
        ),
        lost=len(sent.confirmed - set(settled)),
        jobs=len({wave.uid for wave in evidence.waves if wave.queue == queue}),
    )


def _list_done(evidence: Evidence, queue: str) -> list[str]:
    return [entry.item for entry in evidence.work if entry.queue == queue and entry.done]


def _measure_convergence(evidence: Evidence) -> float:
    quiet = [injection.ended for injection in evidence.injections]
    quiet += [sent.ended for sent in evidence.sent.values()]
    ended = max(outcome.ended for outcome in evidence.outcomes.values())
    return ended - max(quiet)


def _find_violations(
    evidence: Evidence, figures: dict[str, Figures], faults_wanted: int
) -> Iterator[str]:
    injected = len(evidence.injections)
    if injected < faults_wanted:
        yield f"{injected} faults were injected, {faults_wanted} are wanted"
    yield from _find_duplicate_jobs(evidence)
    for queue, counted in figures.items():
        sent, outcome = evidence.sent[queue], evidence.outcomes[queue]
        done = set(_list_done(evidence, queue))
        yield from _find_in_items(queue, sent, done, set(outcome.dead))
        if counted.repeated > counted.outstanding:
            yield (
                f"{queue}: {counted.repeated} items were processed again, but only"
                f" {counted.outstanding} deliveries were outstanding at faults"
            )
        yield from _find_in_outcome(queue, outcome, sent, done)


def _find_duplicate_jobs(evidence: Evidence) -> Iterator[str]:
    uids = Counter((wave.queue, wave.number) for wave in set(evidence.waves))
    for (queue, number), count in sorted(uids.items()):
        if count > 1:
            yield f"{queue}: wave {number} had {count} Jobs"


def _find_in_items(queue: str, sent: Sent, done: set[str], dead: set[str]) -> Iterator[str]:
    wrong = {
        "were lost": sent.confirmed - done - dead,
        "were processed that nobody sent": (done | dead) - sent.confirmed - sent.unconfirmed,
        "were put aside that can succeed": {item for item in dead if not item.endswith(POISON)},
        "were done that can't succeed": {item for item in done if item.endswith(POISON)},
    }
    for what, items in wrong.items():
        if items:
            yield f"{queue}: {len(items)} items {what}: {', '.join(sorted(items)[:10])}"


def _find_in_outcome(queue: str, outcome: Outcome, sent: Sent, done: set[str]) -> Iterator[str]:
    expected = DRAINED_BUT_FOR_POISON if sent.has_poison or outcome.dead else DRAINED
    if outcome.condition != expected:
        yield f"{queue}: ended as {outcome.condition or 'nothing'} instead of {expected}"
    if outcome.left:
        yield f"{queue}: {outcome.left} items are left in the queue"
    by_status = (outcome.succeeded, outcome.dead_lettered or 0)
    by_ledger = (len(done), len(set(outcome.dead)))
    if outcome.counted and by_status != by_ledger:
        yield (
            f"{queue}: status counts {by_status} items as succeeded and dead-lettered, but it was"
            f" {by_ledger}"
        )
