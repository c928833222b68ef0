import argparse
import os
import subprocess
import sys
from collections.abc import Mapping

import pytest

from tests.unit.worker.builders import build_settings
from tests.unit.worker.processes import ROOT
from workqueuejob.brokers.broker import Broker
from workqueuejob.contract.report import read_report
from workqueuejob.contract.settings import DeliverySettings, WorkerSettings
from workqueuejob.worker.command_line import parse
from workqueuejob.worker.main import override, run


def parsed(*argv: str) -> argparse.Namespace:
    return parse(argv)


def test_everything_behind_the_first_dashes_is_the_command() -> None:
    arguments = parsed("run", "--prefix-output", "--", "sh", "-c", "x", "--", "--as-file")
    assert arguments.command == ["sh", "-c", "x", "--", "--as-file"]
    assert arguments.prefix_output


def test_command_may_stand_without_dashes() -> None:
    assert parsed("run", "--as-file", "sha256sum", "-b").command == ["sha256sum", "-b"]


def test_options_behind_the_command_are_the_commands() -> None:
    arguments = parsed("run", "put", "--item", "fruit", "--once")
    assert arguments.command == ["put", "--item", "fruit", "--once"]
    assert not arguments.once


@pytest.mark.parametrize(
    ("option", "delivery"),
    [
        (["--as-argument"], DeliverySettings(type="Argument")),
        (["--as-env", "FRUIT"], DeliverySettings(type="Environment", variable="FRUIT")),
        (["--as-file"], DeliverySettings(type="File")),
        ([], DeliverySettings(type="Stdin")),
    ],
)
def test_options_say_how_the_item_is_handed_over(
    option: list[str], delivery: DeliverySettings
) -> None:
    assert override(build_settings(), parsed("run", *option, "--", "true")).delivery == delivery


def test_what_the_command_line_does_not_say_is_left_to_the_settings() -> None:
    settings = build_settings(delivery=DeliverySettings(type="File"), item_timeout_seconds=60)
    assert override(settings, parsed("run", "--", "true")) == settings
    changed = override(settings, parsed("run", "--item-timeout-seconds", "5", "--", "true"))
    assert (changed.item_timeout_seconds, changed.delivery.type) == (5, "File")
    filed = build_settings(delivery=DeliverySettings(envelope_file=True))
    for changed in (
        override(filed, parsed("run", "--as-env", "FRUIT", "--", "true")),
        override(build_settings(), parsed("run", "--as-env=FRUIT", "--envelope-file", "true")),
    ):
        assert changed.delivery == DeliverySettings("Environment", "FRUIT", envelope_file=True)


@pytest.mark.parametrize(
    "argv",
    [
        ["run"],
        ["run", "--"],
        ["run", "--as-file", "--as-argument", "--", "true"],
        ["run", "--item-timeout-seconds", "0", "--", "true"],
        ["run", "--item-timeout-seconds", "soon", "--", "true"],
        ["run", "--once", "--", "true"],
        ["run", "--once", "--item", "fruit"],
        ["run", "--once", "--item", "fruit", "--item-header", "to", "--", "true"],
        ["run", "--once", "--item", "fruit", "--item-header", "=to", "--", "true"],
        ["run", "--once", "--item", "fruit", "--item-attempt", "0", "--", "true"],
        ["run", "--item", "fruit", "--", "true"],
        ["run", "--item-key", "", "--", "true"],
        ["walk", "--", "true"],
        [],
    ],
)
def test_what_can_not_be_understood_exits_with_2(argv: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse(argv)
    assert caught.value.code == 2


def never(_settings: WorkerSettings, _environ: Mapping[str, str]) -> Broker:
    raise AssertionError("opened a broker")


def test_missing_settings_are_named_on_stderr(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(parsed("run", "--", "true"), {}, open_broker=never) == 1
    assert "BROKER_URL" in capfd.readouterr().err


def test_empty_queue_in_memory_is_refused_with_the_way_to_try_a_command(
    capfd: pytest.CaptureFixture[str],
) -> None:
    environ = {"BROKER_URL": "memory://", "QUEUE": "fruits"}
    assert run(parsed("run", "--", "true"), environ, open_broker=never) == 1
    assert "run --once --item FILE" in capfd.readouterr().err


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may have a /dev of its own")
def test_worker_without_settings_says_so_where_its_operator_looks() -> None:
    script = """
        mount -t tmpfs tmpfs /dev && mknod -m 666 /dev/null c 1 3 && mknod /dev/urandom c 1 9 &&
        touch /dev/termination-log && "$0" -m workqueuejob.worker run -- true 2> /dev/null
        echo $? && cat /dev/termination-log
    """
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, sys.executable],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "operator")},
        capture_output=True,
        text=True,
        check=True,
    )
    code, _, message = done.stdout.partition("\n")
    report = read_report(message)
    assert code == "1"
    assert report is not None
    assert report.note is not None
    assert "BROKER_URL" in report.note
