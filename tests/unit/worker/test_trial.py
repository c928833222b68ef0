"""`wqj-worker run --once`: a command is tried with one item, without a broker."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.worker.builders import build_settings
from tests.unit.worker.processes import ROOT, eventually
from workqueuejob.contract.retry import RetrySettings
from workqueuejob.contract.settings import write_settings

DONE, RETRY, PUT_ASIDE, GIVEN_BACK = 0, 3, 4, 75
NOWHERE = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "operator")}
TRY = (sys.executable, "-m", "workqueuejob.worker", "run", "--once")


def try_once(
    *arguments: str, item: bytes = b"apple", settings: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*TRY, "--item", "-", *arguments],
        input=item.decode("latin-1"),
        env=NOWHERE | (settings or {}),
        capture_output=True,
        encoding="latin-1",
        timeout=60,
        check=False,
    )


def verdict_of(tried: subprocess.CompletedProcess[str]) -> str:
    return tried.stderr.splitlines()[-1].removeprefix("wqj-worker: ")


def in_pod(
    retry: RetrySettings, path: Path | str = "/nonexistent", **more: object
) -> dict[str, str]:
    return write_settings(build_settings(path, retry=retry, **more))


def test_command_gets_the_item_and_succeeds() -> None:
    tried = try_once("--", "cat", item=b"a\0\xff")

    assert (tried.returncode, tried.stdout) == (DONE, "a\0\xff")
    assert verdict_of(tried) == "done: the item would be acknowledged"


def test_item_comes_from_a_file_and_is_handed_over_as_in_a_pod(tmp_path: Path) -> None:
    (tmp_path / "fruit").write_bytes(b"apple")
    script = 'cat "$1"; [ "$1" = "$ITEM_FILE" ] && echo same; cat'
    command = [*TRY, "--item", str(tmp_path / "fruit"), "--as-file", "--", "sh", "-c", script, "sh"]

    tried = subprocess.run(command, env=NOWHERE, capture_output=True, text=True, check=True)

    assert tried.stdout == "applesame\n"


def test_command_finds_the_whole_item() -> None:
    options = ("--item-header", "to=ann=bob", "--item-header", "Content-Type=image/png")
    keyed = ("--item-key", "k", "--item-attempt", "2", "--envelope-file")

    tried = try_once(*options, *keyed, "--", "sh", "-c", 'env; cat "$ITEM_ENVELOPE_FILE"')

    *lines, envelope = tried.stdout.splitlines()
    found = dict(line.partition("=")[::2] for line in lines)
    assert json.loads(found["ITEM_HEADERS"]) == {"to": "ann=bob", "Content-Type": "image/png"}
    assert (found["ITEM_KEY"], found["ITEM_ATTEMPT"], found["ITEM_REDELIVERED"]) == (
        "k",
        "2",
        "true",
    )
    assert found["ITEM_CONTENT_TYPE"] == "image/png"
    assert json.loads(envelope)["key"] == "k"


def test_type_of_the_body_may_be_named_by_itself() -> None:
    tried = try_once(
        *("--item-content-type", "text/csv", "--item-header", "content-type=image/png"),
        *("--", "printenv", "ITEM_CONTENT_TYPE"),
    )
    assert tried.stdout == "text/csv\n"


def test_failure_would_be_retried() -> None:
    tried = try_once("--prefix-output", "--", "sh", "-c", "echo no such fruit >&2; exit 3")

    assert tried.returncode == RETRY
    assert verdict_of(tried) == (
        "retry: the item would be tried again after 1 second"
        ' attempt=1/3 reason="exit code 3: no such fruit"'
    )


def test_last_failure_would_be_a_dead_letter() -> None:
    tried = try_once("--item-attempt", "3", "--", "sh", "-c", "kill -SEGV $$")

    assert tried.returncode == PUT_ASIDE
    assert verdict_of(tried) == (
        'dead letter: the item would be put aside attempt=3/3 reason="killed by SIGSEGV"'
    )


def test_settings_of_a_pod_decide_and_its_report_stays_untouched(tmp_path: Path) -> None:
    message = tmp_path / "termination-log"
    message.write_text("report")
    two = RetrySettings(max_attempts=2, initial_delay_seconds=7, dead_letter="job1.dead")
    quota = {"quota": 5, "waits_for_first": True}

    first = try_once("--", "false", settings=in_pod(two, message, **quota))
    second = try_once("--item-attempt", "2", "--", "false", settings=in_pod(two, message))
    discarding = RetrySettings(max_attempts=1, dead_letter=None)
    dropped = try_once("--", "false", settings=in_pod(discarding, message))

    assert verdict_of(first).startswith("retry: the item would be tried again after 7 seconds")
    assert verdict_of(second).startswith("dead letter: the item would be put aside in 'job1.dead'")
    assert (dropped.returncode, message.read_text()) == (PUT_ASIDE, "report")
    assert verdict_of(dropped).startswith("discarded: the item would be dropped")


def test_retry_without_a_delay_is_at_once() -> None:
    retry = RetrySettings(max_attempts=2, initial_delay_seconds=0, dead_letter="dead")
    tried = try_once("--", "false", settings=in_pod(retry))
    assert "the item would be tried again at once" in verdict_of(tried)


def test_attempt_that_takes_too_long_has_failed() -> None:
    tried = try_once("--item-timeout-seconds", "1", "--", "sleep", "60")

    assert tried.returncode == RETRY
    assert 'reason="timed out after 1 s"' in verdict_of(tried)


def test_item_that_does_not_fit_has_failed() -> None:
    tried = try_once("--as-argument", "--", "echo", item=b"a\0b")

    assert tried.returncode == RETRY
    assert "NUL byte" in verdict_of(tried)


def test_stop_ends_the_command_at_once_and_gives_the_item_back(tmp_path: Path) -> None:
    started = tmp_path / "started"
    command = [*TRY, "--item", "/dev/null", "--", "sh", "-c", f"touch {started}; exec sleep 60"]
    with subprocess.Popen(command, env=NOWHERE, stderr=subprocess.PIPE, text=True) as running:
        eventually(started.exists)
        running.send_signal(signal.SIGINT)
        _, errors = running.communicate(timeout=60)

    assert running.returncode == GIVEN_BACK
    assert errors.splitlines()[-1].startswith("wqj-worker: given back: the command was ended")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--", "no-such-program"), "command 'no-such-program' not found"),
        (("--item", "/nonexistent/item", "--", "cat"), "the item can't be read from"),
        (("--", "/proc/self/status"), "is not executable"),
    ],
)
def test_what_keeps_the_command_from_running_is_no_verdict(
    arguments: tuple[str, ...], said: str
) -> None:
    tried = try_once(*arguments)
    assert tried.returncode == 1
    assert said in verdict_of(tried)


def test_settings_that_no_operator_wrote_are_named() -> None:
    tried = try_once("--", "cat", settings={"WQJ_SETTINGS": "{}"})
    assert tried.returncode == 1
    assert "WQJ_SETTINGS is not what" in verdict_of(tried)
