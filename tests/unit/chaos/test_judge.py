"""A run of faults is judged by what was sent, worked on and broken."""

from dataclasses import replace

import pytest

from tests.chaos.evidence import (
    Evidence,
    Injection,
    Outcome,
    Sent,
    Wave,
    Work,
    Worker,
    parse_ledger,
)
from tests.chaos.judge import DRAINED, DRAINED_BUT_FOR_POISON, Verdict, judge
from tests.chaos.report import HEADINGS, render, render_markdown_row

FINE = Outcome(DRAINED, left=0, dead=(), succeeded=2, dead_lettered=None, counted=True, ended=150.0)
POD = Worker("list", "pod-a")
KEPT = Evidence(
    seed=1,
    scheduled=1,
    began=0.0,
    injections=(Injection("kill", "worker", "pod-a", began=20.5, ended=20.5, reached=(POD,)),),
    sent={"list": Sent(frozenset({"list-1", "list-2"}), frozenset({"list-3"}), ended=100.0)},
    work=(
        Work("list", "pod-a", "list-1", begun=10.0, done=11.0),
        Work("list", "pod-a", "list-2", begun=20.0, done=None),
        Work("list", "pod-b", "list-2", begun=30.0, done=31.0),
    ),
    waves=(Wave("uid-1", "list", 1), Wave("uid-2", "list", 2)),
    outcomes={"list": FINE},
)


def judged(evidence: Evidence, *, faults_wanted: int = 1) -> Verdict:
    return judge(evidence, faults_wanted=faults_wanted)


def again(pod: str, item: str, begun: float) -> tuple[Work, ...]:
    return (*KEPT.work, Work("list", pod, item, begun=begun, done=begun + 1))


def test_kept_promises_have_no_violations() -> None:
    verdict = judged(KEPT)
    assert verdict.violations == ()
    assert verdict.total == verdict.figures["list"]
    assert (verdict.total.sent, verdict.total.processed, verdict.total.jobs) == (2, 2, 2)
    assert (verdict.total.repeated, verdict.total.outstanding, verdict.total.lost) == (0, 1, 0)
    assert verdict.converged_seconds == 50


def test_item_that_was_begun_and_never_done_is_lost() -> None:
    verdict = judged(replace(KEPT, work=KEPT.work[:2]))
    assert verdict.total.lost == 1
    assert any("1 items were lost: list-2" in sentence for sentence in verdict.violations)


def test_unconfirmed_item_may_be_processed_or_not() -> None:
    outcomes = {"list": replace(FINE, succeeded=3)}
    processed = replace(KEPT, work=again("pod-b", "list-3", 40.0), outcomes=outcomes)
    assert judged(processed).violations == ()


def test_item_that_nobody_sent_is_a_violation() -> None:
    outcomes = {"list": replace(FINE, succeeded=3)}
    strange = replace(KEPT, work=again("pod-b", "list-9", 40.0), outcomes=outcomes)
    assert any("nobody sent: list-9" in sentence for sentence in judged(strange).violations)


def test_item_in_hand_at_a_fault_may_be_processed_again() -> None:
    repeated = replace(KEPT, work=again("pod-c", "list-2", 40.0))
    verdict = judged(repeated)
    assert (verdict.total.repeated, verdict.total.outstanding) == (1, 1)
    assert verdict.violations == ()


def test_more_repeats_than_deliveries_outstanding_are_a_violation() -> None:
    twice = replace(
        KEPT, work=(*again("pod-c", "list-2", 40.0), *again("pod-c", "list-2", 50.0)[3:])
    )
    (violation,) = judged(twice).violations
    assert "2 items were processed again, but only 1 deliveries" in violation


@pytest.mark.parametrize(
    ("began", "outstanding"),
    [
        pytest.param(8.0, 0, id="before its first delivery"),
        pytest.param(9.5, 1, id="while the delivery is handed over"),
        pytest.param(15.0, 1, id="between the end of the work and the next delivery"),
        pytest.param(90.0, 1, id="after its last item, for it is still alive"),
    ],
)
def test_worker_holds_an_item_from_its_delivery_to_the_next(began: float, outstanding: int) -> None:
    fault = replace(KEPT.injections[0], began=began, ended=began)
    verdict = judged(replace(KEPT, injections=(fault,)))
    assert verdict.total.outstanding == outstanding


def test_delivery_that_comes_while_a_worker_is_frozen_is_outstanding() -> None:
    fault = replace(KEPT.injections[0], kind="freeze", began=5.0, ended=12.0)
    assert judged(replace(KEPT, injections=(fault,))).total.outstanding == 1


def test_fault_that_reaches_no_worker_excuses_no_repeat() -> None:
    fault = Injection("kill", "operator", "operator-1", began=20.5, ended=20.5)
    repeated = replace(KEPT, injections=(fault,), work=again("pod-c", "list-2", 40.0))
    (violation,) = judged(repeated).violations
    assert "only 0 deliveries" in violation


def test_two_jobs_of_one_wave_are_a_violation() -> None:
    doubled = replace(KEPT, waves=(*KEPT.waves, Wave("uid-3", "list", 2)))
    assert judged(doubled).violations == ("list: wave 2 had 2 Jobs",)


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        (replace(FINE, condition="Failed/NoProgress"), "ended as Failed/NoProgress"),
        (replace(FINE, condition=""), "ended as nothing"),
        (replace(FINE, condition=DRAINED_BUT_FOR_POISON), f"instead of {DRAINED}"),
        (replace(FINE, left=1), "1 items are left"),
        (replace(FINE, succeeded=1), "status counts (1, 0)"),
        (replace(FINE, dead_lettered=1), "status counts (2, 1)"),
    ],
)
def test_wrong_end_is_a_violation(outcome: Outcome, words: str) -> None:
    (violation,) = judged(replace(KEPT, outcomes={"list": outcome})).violations
    assert words in violation


def test_inferred_count_need_not_be_exact() -> None:
    outcome = replace(FINE, succeeded=1, counted=False)
    assert judged(replace(KEPT, outcomes={"list": outcome})).violations == ()


class TestPoison:
    """With an item that can't succeed."""

    ITEM = "list-4-poison"
    OUTCOME = replace(FINE, condition=DRAINED_BUT_FOR_POISON, dead=(ITEM,), dead_lettered=1)
    SENT = replace(KEPT.sent["list"], confirmed=KEPT.sent["list"].confirmed | {ITEM})
    KEPT = replace(KEPT, sent={"list": SENT}, outcomes={"list": OUTCOME})

    def test_belongs_among_the_dead_letters(self) -> None:
        verdict = judged(self.KEPT)
        assert verdict.violations == ()
        assert (verdict.total.sent, verdict.total.processed, verdict.total.lost) == (3, 3, 0)

    def test_that_is_in_no_place_is_lost(self) -> None:
        outcome = replace(self.OUTCOME, dead=(), dead_lettered=0)
        (violation,) = judged(replace(self.KEPT, outcomes={"list": outcome})).violations
        assert "1 items were lost: list-4-poison" in violation

    def test_that_was_put_aside_twice_is_a_repeat(self) -> None:
        outcome = replace(self.OUTCOME, dead=(self.ITEM, self.ITEM))
        verdict = judged(replace(self.KEPT, outcomes={"list": outcome}))
        assert (verdict.total.repeated, verdict.violations) == (1, ())

    def test_is_the_only_thing_to_be_put_aside(self) -> None:
        outcome = replace(self.OUTCOME, dead=(self.ITEM, "list-1"), dead_lettered=2)
        violations = judged(replace(self.KEPT, outcomes={"list": outcome})).violations
        assert violations == ("list: 1 items were put aside that can succeed: list-1",)


def test_too_few_faults_are_a_violation() -> None:
    (violation,) = judged(KEPT, faults_wanted=40).violations
    assert violation == "1 faults were injected, 40 are wanted"


def test_report_has_every_figure_and_violation() -> None:
    verdict = judged(KEPT, faults_wanted=40)
    text = render(KEPT, verdict)
    assert "1 x kill worker" in text
    assert "VIOLATED: 1 faults were injected" in text
    row = render_markdown_row(KEPT, verdict)
    assert row == "| 1 | 1 | 2 | 1 | 2 | 0 | 0 | 1 | 2 | 50 |"
    assert row.count("|") == len(HEADINGS) + 1


def test_ledger_tells_what_was_finished_and_what_was_not() -> None:
    lines = ["begin a 1.5", "done a 2.5", "begin b 3", "begin c 4", "done c 5", "begin d 6"]
    read = [(work.item, work.begun, work.done) for work in parse_ledger("list", "pod", lines)]
    assert read == [("a", 1.5, 2.5), ("b", 3, None), ("c", 4, 5), ("d", 6, None)]


@pytest.mark.parametrize("line", ["done a 1", "begun a 1"])
def test_ledger_that_makes_no_sense_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="does not follow"):
        list(parse_ledger("list", "pod", [line]))
