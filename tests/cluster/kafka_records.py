"""Records of several keys, and the order in which they were worked on."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from dev.workspaces.workspace import Workspace

from .kafka import Record


def deal_records(*, keys: int, each: int) -> list[Record]:
    """Return numbered records of so many keys, dealt in turn; a value begins with its key."""
    return [
        (f"key-{key:02}", f"key-{key:02}/{number:03}")
        for number in range(each)
        for key in range(keys)
    ]


def list_processed(workspace: Workspace, name: str, records: Sequence[Record]) -> list[str]:
    """Return the values that pods have printed, in the order of time.

    Every record must be among them; what else pods print is left out.
    """
    wanted = {value for _key, value in records}
    printed = [line for line in workspace.logs_in_order(name) if line in wanted]
    assert wanted - set(printed) == set(), "items that nobody has processed"
    return printed


def assert_order_of_keys(processed: Sequence[str], records: Sequence[Record]) -> None:
    """Assert that the records of each key were first processed in the order they were written."""
    assert _by_key(dict.fromkeys(processed)) == _by_key(value for _key, value in records)


def _by_key(values: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for value in values:
        found[value.partition("/")[0]].append(value)
    return found
