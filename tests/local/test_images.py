"""Which stages of a Dockerfile are built."""

import pytest

from dev.local.images import find_stages

DOCKERFILE = """
ARG BASE
FROM ${BASE} AS build
RUN x
from build as tools
FROM build AS wheel
COPY --from=tools /a /b
FROM ${BASE} AS other
COPY --from=wheel /b /c
FROM ${BASE}
COPY --from=tools /a /a
"""


@pytest.mark.parametrize(
    ("target", "stages"),
    [
        (None, ["build", "tools"]),
        ("other", ["build", "tools", "wheel"]),
        ("tools", ["build"]),
        ("build", []),
    ],
)
def test_stages_that_an_image_is_made_from_are_found_in_their_order(
    target: str | None, stages: list[str]
) -> None:
    assert find_stages(DOCKERFILE, target) == stages


def test_stage_that_an_image_is_not_made_from_is_left_out() -> None:
    assert find_stages("FROM x AS unused\nFROM y AS last\nRUN z\n") == []
