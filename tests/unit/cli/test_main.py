"""What the command line makes of its options, up to where a server would be needed."""

import pytest
from typer.testing import CliRunner

from workqueuejob.cli import main


@pytest.fixture(autouse=True)
def logs_of_the_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the logs of this process as they are; the command changes them for good."""
    monkeypatch.setattr(main, "configure_logs", lambda **_: None)


@pytest.mark.parametrize(
    ("option", "variable", "good", "bad"),
    [
        ("--allowed-address", "WQJ_ALLOWED_ADDRESSES", "10.0.0.0/8", "10.0.0.1/8"),
        ("--allowed-host", "WQJ_ALLOWED_HOSTS", "mq.example", "http://mq"),
    ],
)
@pytest.mark.parametrize("is_variable", [False, True], ids=["option", "variable"])
def test_text_that_is_no_range_or_pattern_ends_the_start_by_name(
    option: str, variable: str, good: str, bad: str, is_variable: bool
) -> None:
    arguments = [] if is_variable else [f"{option}={good}", f"{option}={bad}"]
    environment = {variable: f"{good}, {bad}"} if is_variable else {}
    done = CliRunner().invoke(main.app, ["run", *arguments], env=environment)

    assert done.exit_code == 2
    assert option in done.stderr
    assert bad in done.stderr
