"""`wqj-worker`: reads the command line and the environment, and runs the worker to its exit code.

Decides nothing about items.
"""

import argparse
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace

from workqueuejob.brokers.broker import Broker
from workqueuejob.brokers.memory.settings import MemorySource
from workqueuejob.contract import exit_codes
from workqueuejob.contract.grace import AT_ONCE, find_stop_seconds
from workqueuejob.contract.notices import say
from workqueuejob.contract.report import ItemCounts
from workqueuejob.contract.settings import (
    DEFAULT_TERMINATION_MESSAGE_PATH,
    DeliverySettings,
    WorkerSettings,
)
from workqueuejob.errors import SettingsInvalid, WorkQueueJobError
from workqueuejob.worker.command import Runner, find_program
from workqueuejob.worker.command_input import CommandInput
from workqueuejob.worker.command_line import parse
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

EMPTY_MEMORY = (
    "a queue in memory is empty here, because only its own process can fill it; let BROKER_URL name"
    " a broker, or try the command with one item: wqj-worker run --once --item FILE -- COMMAND"
)

OpenBroker = Callable[[WorkerSettings, Mapping[str, str]], Broker]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    arguments = parse(sys.argv[1:] if argv is None else argv)
    if arguments.once:
        return try_once(arguments, os.environ)
    return run(arguments, os.environ, open_broker=open_broker)


def run(
    arguments: argparse.Namespace, environ: Mapping[str, str], *, open_broker: OpenBroker
) -> int:
    """Run a command for every item until there is no more to take; return the exit code."""
    try:
        settings = override(read_environment(environ), arguments)
        if isinstance(settings.source, MemorySource):
            raise SettingsInvalid(EMPTY_MEMORY)
    except WorkQueueJobError as error:
        return _refuse(DEFAULT_TERMINATION_MESSAGE_PATH, error)
    try:
        engine, runner = _build(
            arguments, settings, environ, lambda: open_broker(settings, environ)
        )
    except WorkQueueJobError as error:
        return _refuse(settings.termination_message_path, error)
    say("started", **_describe(settings))
    code, counts = _work(engine, runner)
    say("ended", exit_code=code, **{name: n for name, n in asdict(counts).items() if n})
    return code


def try_once(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Try the command with one item; return the exit code that says what would become of that."""
    # Imported here, because no pod needs it.
    from workqueuejob.worker.trial import Trial, build_settings, read_item

    try:
        settings = override(build_settings(environ), arguments)
        trial = Trial(read_item(arguments), settings.retry)
        engine, runner = _build(arguments, settings, environ, lambda: trial)
    except WorkQueueJobError as error:
        say("can't start", error=error)
        return exit_codes.FAILED
    say("trying one item; nothing is settled at a broker")
    code, _ = _work(engine, runner)
    if code == exit_codes.FAILED:
        return code
    say(trial.verdict.text, **trial.verdict.values)
    return trial.verdict.code


def override(settings: WorkerSettings, arguments: argparse.Namespace) -> WorkerSettings:
    """Return the settings, where an option of the command line replaces its setting."""
    way: DeliverySettings = arguments.delivery or settings.delivery
    wants_file = arguments.envelope_file or settings.delivery.envelope_file
    settings = replace(settings, delivery=replace(way, envelope_file=wants_file))
    if arguments.item_timeout_seconds is not None:
        settings = replace(settings, item_timeout_seconds=arguments.item_timeout_seconds)
    if arguments.stop_at_once:
        settings = replace(settings, stop_signal=AT_ONCE)
    if arguments.prefix_output:
        settings = replace(settings, prefix_output=True)
    return settings


def _build(
    arguments: argparse.Namespace,
    settings: WorkerSettings,
    environ: Mapping[str, str],
    connect: Callable[[], Broker],
) -> tuple[Engine, Runner]:
    """Return what takes the items and what runs the command; raise SettingsInvalid."""
    program = find_program(arguments.command, environ)
    command_input = CommandInput(
        arguments.command,
        settings.delivery,
        _encode(environ),
        stop_seconds=find_stop_seconds(settings.grace_seconds, settings.stop_signal),
    )
    if not hide_from_commands():
        say("commands can read the worker's environment: the system has no prctl")
    stop = StopRequest(settings.grace_seconds)
    engine = Engine(settings, connect, stop=stop)
    runner = Runner(
        engine,
        stop,
        command_input,
        program=program,
        prefix_output=settings.prefix_output,
        adopts_orphans=adopt_orphans(),
    )
    _handle_signals(runner, stop)
    return engine, runner


def _work(engine: Engine, runner: Runner) -> tuple[int, ItemCounts]:
    """Work until there is no more to take; return the exit code and what was done."""
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
    return code, counts


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
