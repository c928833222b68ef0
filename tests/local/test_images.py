"""Which stages a Dockerfile names."""

from wqjlocal.images import find_stages


def test_named_stages_are_found_in_their_order_and_the_last_one_has_no_name() -> None:
    dockerfile = "ARG BASE\nFROM ${BASE} AS build\nRUN x\nfrom y as test\nFROM ${BASE}\nCMD z\n"

    assert find_stages(dockerfile) == ["build", "test"]
