"""examples/continuous: from zero to three pods, back to zero, and an orderly end."""

import pytest

from dev.workspaces.workspace import Workspace, is_going, reason_of

from .examples import apply, ask_redis, start_broker, wait_until_complete

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

THIRTY_ORDERS = "for i = 1, 30 do redis.call('rpush', KEYS[1], 'order-' .. i) end"


def test_shop_scales_from_zero_and_to_zero_and_closes(workspace: Workspace) -> None:
    start_broker(workspace, "fine-redis/redis.yaml", workload="deployment/redis")
    apply(workspace, "continuous/workqueuejob.yaml")
    workspace.wait_for_reason("shop", "Progressing", "WaitingForItems", seconds=60)
    assert workspace.jobs() == []

    ask_redis(workspace, "eval", THIRTY_ORDERS, "1", "orders")
    waiting = workspace.wait_until(
        "shop", lambda wqj: "lastBusyPeriod" in (wqj.get("status") or {}), seconds=90
    )

    assert reason_of(waiting, "Progressing") == "WaitingForItems"
    assert waiting["status"]["progress"] == "30/30"
    assert waiting["status"]["pods"] == {"active": 0, "succeeded": 3, "failed": 0}
    assert not [pod for pod in workspace.pods("shop") if is_going(pod)]
    shipped = sorted(line for line in workspace.logs("shop") if line.startswith("Shipping "))
    assert shipped == sorted(f"Shipping order-{number}" for number in range(1, 31))

    workspace.patch("shop", {"runPolicy": "UntilDrained"})
    ended = wait_until_complete(workspace, "shop")

    assert reason_of(ended, "Complete") == "Drained"
    assert ended["status"]["items"]["succeeded"] == 30
