"""Those that are broken say why, each for itself, and the healthy ones beside them complete.

How fast, and compared with what, `bench/neighbours.py` measures.
"""

import pytest

from dev.workspaces.neighbours import BROKEN, arrange, build_broken, build_healthy, clear
from dev.workspaces.workspace import Manifest, Workspace, poll, reason_of

pytestmark = [pytest.mark.cluster, pytest.mark.starts_early, pytest.mark.timeout(300)]

HEALTHY = tuple(f"healthy-{number}" for number in range(8))


def test_those_that_are_broken_each_say_why_and_hold_up_nobody(workspace: Workspace) -> None:
    arrange(workspace)

    workspace.apply(*build_broken(workspace), *build_healthy(workspace, HEALTHY))

    found = poll(
        lambda: _by_name(workspace),
        lambda seen: all(reason_of(seen[name], "Complete") for name in HEALTHY),
        seconds=90,
        show=_show,
    )
    assert {reason_of(found[name], "Complete") for name in HEALTHY} == {"Drained"}
    assert {found[name]["status"]["progress"] for name in HEALTHY} == {"1/1"}
    poll(
        lambda: _by_name(workspace),
        lambda seen: all(broken.says_so(seen[broken.name]) for broken in BROKEN),
        seconds=60,
        show=_show,
    )
    clear(workspace, HEALTHY)


def _by_name(workspace: Workspace) -> dict[str, Manifest]:
    return {wqj["metadata"]["name"]: wqj for wqj in workspace.get("wqj")["items"]}


def _show(seen: dict[str, Manifest]) -> str:
    return repr({name: wqj.get("status", {}).get("conditions") for name, wqj in seen.items()})
