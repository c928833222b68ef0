"""`bench.scale` starts the operator as the chart and its image do."""

from typing import Any

import pytest

from bench.scaling.operator_process import Installation, build_command, read_image_variables


def an_installation(limit: str = "256Mi") -> Installation:
    container: dict[str, Any] = {
        "args": ["run", "--http-port=8080", "--identity=$(WQJ_POD_NAME)_x", "--log-level=info"],
        "env": [
            {"name": "WQJ_POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "WQJ_WORKER_IMAGE", "value": "worker:1"},
        ],
        "resources": {"limits": {"memory": limit}},
    }
    template = {"spec": {"containers": [container]}}
    deployment = {"kind": "Deployment", "spec": {"template": template}}
    return Installation([{"kind": "ClusterRole"}, deployment])


def test_arguments_are_the_charts_with_another_port() -> None:
    command, variables = build_command(an_installation(), port=12345)

    assert command[1:] == [
        "run",
        "--identity=workqueuejob-0_x",
        "--log-level=info",
        "--http-port=12345",
    ]
    assert variables["WQJ_WORKER_IMAGE"] == "worker:1"


def test_variables_of_the_image_are_set_too() -> None:
    assert read_image_variables() == {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1"}


@pytest.mark.parametrize(("limit", "megabytes"), [("256Mi", 256), ("1Gi", 1024)])
def test_the_memory_limit_is_the_charts(limit: str, megabytes: int) -> None:
    assert an_installation(limit).limit_megabytes == megabytes


def test_another_unit_is_refused() -> None:
    with pytest.raises(ValueError, match="neither in Mi nor in Gi"):
        _ = an_installation("256M").limit_megabytes


def test_everything_but_the_deployment_is_installed() -> None:
    assert [each["kind"] for each in an_installation().others] == ["ClusterRole"]
