"""`run --once`: tries a command with one item, and says what would become of it.

    done         the command succeeded: the item would be acknowledged          exit code 0
    retry        the attempt failed: the item would be tried again              exit code 3
    put aside    the last attempt failed: dead-lettered, or discarded           exit code 4
    given back   a signal to the worker ended the command                       exit code 75

The item comes from a file and from options. All else is as in a pod: the same engine, settlement
and command, with the retry settings of `WQJ_SETTINGS` if there are any. Opens no connection, and
writes no report. The time for the item ends with a stop request, because a person waits for it.
"""

import argparse
import os
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from workqueuejob.brokers.broker import Delivery
from workqueuejob.brokers.envelope import CONTENT_TYPE, Envelope, find_text
from workqueuejob.brokers.memory.queue import MemoryClaim
from workqueuejob.brokers.memory.settings import MemorySource
from workqueuejob.contract import exit_codes
from workqueuejob.contract import settings as names
from workqueuejob.contract.retry import RetrySettings
from workqueuejob.contract.settings import WorkerSettings
from workqueuejob.errors import SettingsInvalid
from workqueuejob.worker.connecting import read_environment

RETRY = 3
PUT_ASIDE = 4
"""Exit codes of a trial beside the worker's own."""

STANDARD_INPUT = "-"


@dataclass(frozen=True, slots=True)
class TrialEnd:
    """What would become of the item, and why; and the exit code that says so."""

    code: int
    text: str
    values: Mapping[str, str] = field(default_factory=dict)


NOT_BEGUN = TrialEnd(exit_codes.STOPPED_EARLY, "stopped before the command was started")


class Trial:
    """A `Broker` with one item, which remembers how that was settled.

    verdict: what would have become of the item.
    """

    renew_seconds = 60.0

    def __init__(self, delivery: Delivery, retry: RetrySettings) -> None:
        self.verdict = NOT_BEGUN
        self._waiting: Delivery | None = delivery
        self._retry = retry

    def take(self, *, timeout_seconds: float) -> Delivery | None:  # noqa: ARG002 - none follows
        """Return the item, and None from then on."""
        delivery, self._waiting = self._waiting, None
        return delivery

    def ack(self, delivery: Delivery) -> None:  # noqa: ARG002 - there is one
        """Remember a success."""
        self.verdict = TrialEnd(exit_codes.DONE, "done: the item would be acknowledged")

    def retry(self, delivery: Delivery, *, reason: str, delay_seconds: int) -> None:
        """Remember a failure after which attempts are left."""
        rest = f"after {_count(delay_seconds, 'second')}" if delay_seconds else "at once"
        text = f"retry: the item would be tried again {rest}"
        self.verdict = TrialEnd(RETRY, text, self._describe(delivery, reason))

    def dead_letter(self, delivery: Delivery, *, reason: str) -> None:
        """Remember a failure after which no attempt is left."""
        target = self._retry.dead_letter
        if target is None:
            text = "discarded: the item would be dropped"
        else:
            where = f" in {target!r}" if target else ""
            text = f"dead letter: the item would be put aside{where}"
        self.verdict = TrialEnd(PUT_ASIDE, text, self._describe(delivery, reason))

    def release(self, delivery: Delivery) -> None:  # noqa: ARG002 - there is one
        """Remember that the item was given back."""
        text = "given back: the command was ended; the attempt would not count"
        self.verdict = TrialEnd(exit_codes.STOPPED_EARLY, text)

    def renew(self, held: Collection[Delivery]) -> Collection[Delivery]:  # noqa: ARG002 - there is one
        """Lose nothing, because no other worker can take the item."""
        return ()

    def extend(self, delivery: Delivery) -> None:
        """Do nothing, as `renew`."""

    def close(self) -> None:
        """Do nothing, because there is no connection."""

    def _describe(self, delivery: Delivery, reason: str) -> dict[str, str]:
        return {"attempt": f"{delivery.attempt}/{self._retry.max_attempts}", "reason": reason}


def build_settings(environ: Mapping[str, str]) -> WorkerSettings:
    """Return the settings of a trial; raise SettingsInvalid for a `WQJ_SETTINGS` of no operator."""
    if names.SETTINGS in environ:
        settings = read_environment(environ)
    else:
        settings = WorkerSettings(MemorySource("trial"), retry=RetrySettings(dead_letter=""))
    return replace(
        settings,
        quota=None,
        idle_seconds=0,
        waits_for_first=False,
        grace_seconds=0,
        deadline_seconds=None,
        probes=None,
        termination_message_path="",
    )


def read_item(arguments: argparse.Namespace) -> Delivery:
    """Return the item that the command line describes; raise SettingsInvalid if it can't be read.

    As with brokers that have no property for it, a header names the type unless an option does.
    """
    headers: dict[str, str] = dict(arguments.item_header or ())
    attempt = arguments.item_attempt or 1
    content_type = arguments.item_content_type or find_text(headers, CONTENT_TYPE)
    key = None if arguments.item_key is None else os.fsencode(arguments.item_key)
    envelope = Envelope(headers=headers, key=key, content_type=content_type)
    return Delivery(
        id="item",
        body=_read_body(arguments.item),
        attempt=attempt,
        redelivered=attempt > 1,
        handle=MemoryClaim(token=1, envelope=envelope),
    )


def _read_body(path: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if path == STANDARD_INPUT else Path(path).read_bytes()
    except OSError as error:
        raise SettingsInvalid(
            f"the item can't be read from {path!r} ({error.strerror}); give --item a file, or"
            f" {STANDARD_INPUT} for standard input"
        ) from None


def _count(number: int, unit: str) -> str:
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"
