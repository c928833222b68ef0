"""`wqj-worker`: reads the command line and the environment, and runs the worker to its exit code.

Decides nothing about items.
"""

import argparse
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace

from workqueuejob.brokers.broker import Broker
from workqueuejob.contract import exit_codes
from workqueuejob.contract.notices import say
from workqueuejob.contract.settings import (
    DEFAULT_TERMINATION_MESSAGE_PATH,
    DeliverySettings,
    WorkerSettings,
)
from workqueuejob.errors import WorkQueueJobError
from workqueuejob.worker.command import Runner, find_program
from workqueuejob.worker.command_input import ARGUMENT, ENVIRONMENT, FILE, CommandInput
from workqueuejob.worker.connecting import open_broker, read_environment
from workqueuejob.worker.engine import Engine
from workqueuejob.worker.lease_renewer import LeaseRenewer
from workqueuejob.worker.process import adopt_orphans, hide_from_commands
from workqueuejob.worker.report_file import ReportFile
from workqueuejob.worker.stop_request import StopRequest

FORWARDED = ("SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGWINCH")
"""Signals that are sent on to the command; SIGTERM and SIGINT stop the worker."""

OUT_OF_MEMORY = (
    "out of memory while an item was fetched; raise the container's memory limit, or put what is"
    " large elsewhere and its address into the queue"
)

OpenBroker = Callable[[WorkerSettings, Mapping[str, str]], Broker]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    arguments = parse(sys.argv[1:] if argv is None else argv)
    return run(arguments, os.environ, open_broker=open_broker)


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Return the arguments; exit with 2 where they can't be parsed."""
    separator_at = argv.index("--") if "--" in argv else len(argv)
    parser = _build_parser()
    arguments = parser.parse_args(argv[:separator_at])
    arguments.command = [*arguments.command, *argv[separator_at + 1 :]]
    if not arguments.command:
        parser.error("no command; put it after --, as in: wqj-worker run -- sha256sum")
    return arguments


def run(
    arguments: argparse.Namespace, environ: Mapping[str, str], *, open_broker: OpenBroker
) -> int:
    """Run a command for every item until there is no more to take; return the exit code."""
    try:
        settings = override(read_environment(environ), arguments)
    except WorkQueueJobError as error:
        return _refuse(DEFAULT_TERMINATION_MESSAGE_PATH, error)
    stop = StopRequest(settings.grace_seconds)
    try:
        program = find_program(arguments.command, environ)
        command_input = CommandInput(arguments.command, settings.delivery, _encode(environ))
    except WorkQueueJobError as error:
        return _refuse(settings.termination_message_path, error)
    if not hide_from_commands():
        say("commands can read the worker's environment: the system has no prctl")
    engine = Engine(settings, lambda: open_broker(settings, environ), stop=stop)
    runner = Runner(
        engine,
        stop,
        command_input,
        program=program,
        prefix_output=settings.prefix_output,
        adopts_orphans=adopt_orphans(),
    )
    _handle_signals(runner, stop)
    say("started", **_describe(settings))
    return _work(engine, runner)


def override(settings: WorkerSettings, arguments: argparse.Namespace) -> WorkerSettings:
    """Return the settings, where an option of the command line replaces its setting."""
    way: DeliverySettings = arguments.delivery or settings.delivery
    wants_file = arguments.envelope_file or settings.delivery.envelope_file
    settings = replace(settings, delivery=replace(way, envelope_file=wants_file))
    if arguments.item_timeout_seconds is not None:
        settings = replace(settings, item_timeout_seconds=arguments.item_timeout_seconds)
    if arguments.prefix_output:
        settings = replace(settings, prefix_output=True)
    return settings


def _work(engine: Engine, runner: Runner) -> int:
    renewer = LeaseRenewer(engine)
    renewer.start()
    try:
        runner.run()
    except WorkQueueJobError as error:
        code = engine.exit_code_after(error)
        engine.report.note(str(error))
        say("can't go on", error=error)
    except OSError as error:
        code = exit_codes.FAILED
        engine.report.note(str(error))
        say("can't go on, the system refused", error=error)
    except MemoryError:
        code = exit_codes.FAILED
        engine.report.note(OUT_OF_MEMORY)
        say("can't go on", error=OUT_OF_MEMORY)
    else:
        code = engine.exit_code
        if code != exit_codes.DONE:
            reason = "told to stop before the work was done"
            outage = engine.report.noted
            engine.report.note(f"{reason}: {outage}" if outage else reason)
    finally:
        renewer.close()
        counts = engine.report.counts
        engine.close()
    say("ended", exit_code=code, **{name: n for name, n in asdict(counts).items() if n})
    return code


def _refuse(path: str, error: WorkQueueJobError) -> int:
    report = ReportFile(path)
    report.note(str(error))
    report.close()
    say("can't start", error=error)
    return exit_codes.FAILED


def _handle_signals(runner: Runner, stop: StopRequest) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        runner.poller.on_signal(number, lambda _: stop.request())
    for name in FORWARDED:
        runner.poller.on_signal(getattr(signal, name), runner.processes.signal)


def _describe(settings: WorkerSettings) -> dict[str, object]:
    source = asdict(settings.source)
    queue = {"queue": source.get("queue") or source.get("key") or source.get("topic")}
    return queue if settings.quota is None else {**queue, "quota": settings.quota}


def _encode(environ: Mapping[str, str]) -> dict[bytes, bytes]:
    return {os.fsencode(name): os.fsencode(value) for name, value in environ.items()}


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="wqj-worker", description="Works on a queue's items.")
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    command = actions.add_parser(
        "run",
        usage="wqj-worker run [options] -- COMMAND ...",
        help="run a command for every item; exit 0 acknowledges it",
        allow_abbrev=False,
    )
    ways = command.add_mutually_exclusive_group()
    ways.add_argument(
        "--as-argument",
        dest="delivery",
        action="store_const",
        const=DeliverySettings(type=ARGUMENT),
        help="the item is the command's last argument (default: its stdin)",
    )
    ways.add_argument(
        "--as-env",
        dest="delivery",
        metavar="NAME",
        type=lambda name: DeliverySettings(type=ENVIRONMENT, variable=name),
        help="the item is in this environment variable",
    )
    ways.add_argument(
        "--as-file",
        dest="delivery",
        action="store_const",
        const=DeliverySettings(type=FILE),
        help="the item is in a file, whose path is the last argument, and in ITEM_FILE",
    )
    command.add_argument(
        "--envelope-file",
        action="store_true",
        help="headers, key and properties are in a file of JSON, whose path is ITEM_ENVELOPE_FILE",
    )
    command.add_argument(
        "--prefix-output",
        action="store_true",
        help="put the item's id in front of every line of output",
    )
    command.add_argument(
        "--item-timeout-seconds",
        type=_positive,
        metavar="N",
        help="end a command, and all it has started, that takes longer; the item has failed",
    )
    command.add_argument("command", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    return parser


def _positive(text: str) -> int:
    with suppress(ValueError):
        if int(text) > 0:
            return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a positive number of seconds")
