"""How a command gets its item: by stdin, as its last argument, in a variable or as a file.

    stdin        a file in memory, so that neither side waits for the other, however large it is
    argument     appended to the command; can't hold a NUL byte
    environment  in a variable that the user names; can't hold a NUL byte
    file         a temporary file, whose path is the last argument and ITEM_FILE; removed afterwards

What the broker keeps besides the body is in variables (`item_variables`), and all of it in another
temporary file if the settings ask for that. The command inherits the worker's environment without
the variables that are private to the worker, and without those that describe another item.
Starts no process.
"""

import errno
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass

from workqueuejob.contract.settings import DeliverySettings, is_private
from workqueuejob.errors import SettingsInvalid
from workqueuejob.worker.item import Item
from workqueuejob.worker.item_variables import (
    ENVELOPE_FILE,
    ITEM_FILE,
    OPTIONAL_VARIABLES,
    STOP_SECONDS,
    describe_item,
    write_envelope,
)
from workqueuejob.worker.process import Environment, FileActions, is_exhaustion

STDIN, ARGUMENT, ENVIRONMENT, FILE = "Stdin", "Argument", "Environment", "File"
WAYS = (STDIN, ARGUMENT, ENVIRONMENT, FILE)

SMALL_BYTES = 4096
"""The size of an item that a file system with any space left has room for."""


class ItemUnfit(Exception):
    """The item can't be passed to a command in the chosen way."""


@dataclass(slots=True)
class Invocation:
    """The arguments, environment and file actions that a process is started with.

    holds_item: whether the arguments or the environment hold the item.
    """

    arguments: list[bytes]
    environ: Environment
    actions: FileActions = ()
    holds_item: bool = False


class CommandInput:
    """Prepares the invocations of one command."""

    def __init__(
        self,
        command: Sequence[str],
        delivery: DeliverySettings,
        environ: Mapping[bytes, bytes],
        *,
        stop_seconds: float,
    ) -> None:
        """Raise SettingsInvalid for an unknown delivery type or an impossible variable name.

        stop_seconds: how long a command has after SIGTERM, where the pod must stop.
        """
        name = delivery.variable
        if delivery.type not in WAYS:
            raise SettingsInvalid(f"delivery type {delivery.type!r} is none of {', '.join(WAYS)}")
        if not name or "=" in name or "\0" in name:
            raise SettingsInvalid(f"{name!r} can't be an environment variable's name; correct it")
        self._way = delivery.type
        self._wants_envelope = delivery.envelope_file
        self._variable = os.fsencode(name)
        self._arguments = [os.fsencode(argument) for argument in command]
        self._environ = {
            name: value
            for name, value in environ.items()
            if not (is_private(os.fsdecode(name)) or name in OPTIONAL_VARIABLES)
        }
        self._environ[STOP_SECONDS] = b"%d" % stop_seconds

    @contextmanager
    def prepare(self, item: Item) -> Iterator[Invocation]:
        """Return the invocation for an item, and keep its files until the command has ended.

        Raises ItemUnfit where only this item can't be passed, SettingsInvalid where no item can,
        and OSError where the pod or its node is short of something.
        """
        invocation = Invocation(self._arguments, self._environ | describe_item(item))
        with ExitStack() as files:
            if self._wants_envelope:
                path = files.enter_context(_in_file(write_envelope(item), "envelope-"))
                invocation.environ[ENVELOPE_FILE] = path
            self._hand_over(item.body, invocation, files)
            yield invocation

    def _hand_over(self, body: bytes, invocation: Invocation, files: ExitStack) -> None:
        if self._way == STDIN:
            descriptor = files.enter_context(_in_memory(body))
            invocation.actions = ((os.POSIX_SPAWN_DUP2, descriptor, 0),)
            return
        invocation.actions = ((os.POSIX_SPAWN_OPEN, 0, b"/dev/null", os.O_RDONLY, 0),)
        if self._way == FILE:
            path = files.enter_context(_in_file(body, "item-"))
            invocation.arguments = [*self._arguments, path]
            invocation.environ[ITEM_FILE] = path
            return
        if b"\0" in body:
            raise ItemUnfit(
                "the item holds a NUL byte, which neither argument nor variable can; "
                "let the command read it from stdin or a file"
            )
        invocation.holds_item = True
        if self._way == ARGUMENT:
            invocation.arguments = [*self._arguments, body]
        else:
            invocation.environ[self._variable] = body


@contextmanager
def _in_memory(body: bytes) -> Iterator[int]:
    descriptor = os.memfd_create("item", os.MFD_CLOEXEC)
    try:
        try:
            _write(descriptor, body)
        except OSError as error:
            if error.errno == errno.EFBIG:
                raise _too_large(body, "in memory", error) from None
            raise
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _in_file(content: bytes, prefix: str) -> Iterator[bytes]:
    # Imported here, because it takes a tenth of a worker's start.
    import tempfile

    try:
        descriptor, path = tempfile.mkstemp(prefix=prefix)
    except OSError as error:
        if is_exhaustion(error):
            raise
        raise SettingsInvalid(
            f"no item can be put into a file ({error.strerror}); mount a writable volume at /tmp,"
            " or set TMPDIR to one"
        ) from None
    try:
        try:
            _write(descriptor, content)
        except OSError as error:
            os.ftruncate(descriptor, 0)
            if error.errno == errno.EFBIG or (is_exhaustion(error) and _has_room(descriptor)):
                raise _too_large(content, f"in {os.path.dirname(path)}", error) from None
            raise
        finally:
            os.close(descriptor)
        yield os.fsencode(path)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(path)


def _has_room(descriptor: int) -> bool:
    """Return whether a small item would fit into the file; then the large item is to blame."""
    try:
        os.pwrite(descriptor, bytes(SMALL_BYTES), 0)
    except OSError:
        return False
    return True


def _too_large(body: bytes, where: str, error: OSError) -> ItemUnfit:
    return ItemUnfit(
        f"the item has {len(body)} bytes, and there is no room for it {where} ({error.strerror})"
    )


def _write(descriptor: int, body: bytes) -> None:
    # pwrite leaves the file's own offset at the beginning, where the command starts to read.
    written = 0
    while written < len(body):
        written += os.pwrite(descriptor, body[written:] if written else body, written)
