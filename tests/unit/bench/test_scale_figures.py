"""How `bench.scale` shows its figures."""

import json

import pytest

from bench.scaling.figures import Figure, Result, describe_machine, find_percentile, with_goals


def test_a_goal_is_missed_by_more_and_by_nothing_measured() -> None:
    named = {"memory": 140.0, "CPU": 20.0, "threads": 20.0}
    figures = with_goals(
        [Figure("memory", 141.0), Figure("CPU", 20.0), Figure("threads", None), Figure("jobs", 9)],
        named,
    )

    assert [figure.is_missed for figure in figures] == [True, False, True, False]


def test_a_goal_that_a_figure_has_of_itself_stays() -> None:
    (figure,) = with_goals([Figure("missed", 1, goal=0)], {"memory": 140.0})

    assert figure.is_missed


@pytest.mark.parametrize(
    ("values", "percentile"), [([], None), ([3.0], 3.0), ([float(n) for n in range(101)], 95.0)]
)
def test_a_percentile_lies_between_two_values(
    values: list[float], percentile: float | None
) -> None:
    assert find_percentile(values, 95) == percentile


def test_a_machine_with_load_is_not_quiet() -> None:
    assert "NOT QUIET (load average 3.2)" in describe_machine(3.21)
    assert "NOT QUIET" not in describe_machine(0.1)


def test_a_result_is_printed_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    Result("idle", {"number": 5}, [Figure("CPU", 1.5, "%")]).print(as_json=True)

    printed = json.loads(capsys.readouterr().out)
    assert printed["figures"] == [{"name": "CPU", "value": 1.5, "unit": "%", "goal": None}]


def test_a_result_is_printed_as_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    figures = [Figure("CPU", 12.34, "% of a core", 20), Figure("first Job", None, "s")]
    Result("idle", {"number": 5}, figures).print(as_json=False)

    printed = capsys.readouterr().out
    assert "12.3" in printed
    assert "not measured" in printed
