import pytest

from workqueuejob.contract.notices import say


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("plain", "plain"),
        (3, "3"),
        ("", '""'),
        ("two words", '"two words"'),
        ('a "b"', '"a \\"b\\""'),
        ("one\ntwo\x1b[31m", '"one\\ntwo\\x1b[31m"'),
        ("Käse", "Käse"),
        ("\udcff", '"\\udcff"'),
    ],
)
def test_line_stays_one_line(value: object, said: str, capfd: pytest.CaptureFixture[str]) -> None:
    say("item failed", reason=value)
    assert capfd.readouterr().err == f"wqj-worker: item failed reason={said}\n"
