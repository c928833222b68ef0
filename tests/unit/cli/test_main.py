"""What the command line makes of its options, up to where a server would be needed."""

import pytest
from typer.testing import CliRunner, Result

from workqueuejob.cli.main import app


def run(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(app, ["run", *arguments], env=environment)


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [
        (["--allowed-address=10.0.0.0/8", "--allowed-address=10.0.0.1/8"], {}),
        ([], {"WQJ_ALLOWED_ADDRESSES": "10.0.0.0/8, 10.0.0.1/8"}),
    ],
)
def test_range_that_is_none_ends_the_start_by_name(
    arguments: list[str], environment: dict[str, str]
) -> None:
    done = run(*arguments, **environment)

    assert done.exit_code == 2
    assert "--allowed-address" in done.stderr
    assert "10.0.0.1/8" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [
        (["--allowed-host=mq.example", "--allowed-host=http://mq"], {}),
        ([], {"WQJ_ALLOWED_HOSTS": "mq.example, http://mq"}),
    ],
)
def test_host_that_is_no_pattern_ends_the_start_by_name(
    arguments: list[str], environment: dict[str, str]
) -> None:
    done = run(*arguments, **environment)

    assert done.exit_code == 2
    assert "--allowed-host" in done.stderr
    assert "http://mq" in done.stderr
