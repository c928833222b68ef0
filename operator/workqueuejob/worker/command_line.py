"""The command line of `wqj-worker`. Pure: it starts nothing and reads no file."""

import argparse
from collections.abc import Sequence
from contextlib import suppress

from workqueuejob.contract.settings import DeliverySettings
from workqueuejob.worker.command_input import ARGUMENT, ENVIRONMENT, FILE

ITEM_OPTIONS = ("item", "item_header", "item_key", "item_content_type", "item_attempt")
"""What describes the item of `--once`."""


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Return the arguments; exit with 2 where they can't be parsed."""
    separator_at = argv.index("--") if "--" in argv else len(argv)
    parser = _build_parser()
    arguments = parser.parse_args(argv[:separator_at])
    arguments.command = [*arguments.command, *argv[separator_at + 1 :]]
    if not arguments.command:
        parser.error("no command; put it after --, as in: wqj-worker run -- sha256sum")
    if arguments.once and arguments.item is None:
        parser.error("--once needs an item: --item FILE, or --item - for standard input")
    named = [name for name in ITEM_OPTIONS if getattr(arguments, name) is not None]
    if named and not arguments.once:
        option = f"--{named[0].replace('_', '-')}"
        parser.error(f"{option} needs --once, because without it the queue has the items")
    return arguments


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
        "--stop-at-once",
        action="store_true",
        help="on a stop, send the command SIGTERM at once, and not at the end of the grace",
    )
    command.add_argument(
        "--item-timeout-seconds",
        type=_positive,
        metavar="N",
        help="end a command, and all it has started, that takes longer; the item has failed",
    )
    _add_trial(command)
    command.add_argument("command", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    return parser


def _add_trial(command: argparse.ArgumentParser) -> None:
    """Add the options that try a command without a broker."""
    trial = command.add_argument_group(
        "without a broker",
        "exit code 0: done; 3: the item would be tried again; 4: dead letter; 75: given back",
    )
    trial.add_argument(
        "--once",
        action="store_true",
        help="run the command for one item, and say what would become of that; needs --item",
    )
    trial.add_argument("--item", metavar="FILE", help="the body of the item; - is standard input")
    trial.add_argument(
        "--item-header",
        action="append",
        type=_header,
        metavar="NAME=VALUE",
        help="a header of the item; may be repeated",
    )
    trial.add_argument("--item-key", metavar="KEY", help="the key of the item")
    trial.add_argument("--item-content-type", metavar="TYPE", help="the type of the body")
    trial.add_argument(
        "--item-attempt",
        type=_positive,
        metavar="N",
        help="the number of the attempt; with the last one, a failure is a dead letter",
    )


def _header(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator or not name:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


def _positive(text: str) -> int:
    with suppress(ValueError):
        if int(text) > 0:
            return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a positive number")
