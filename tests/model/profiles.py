"""How hard hypothesis tries, by `HYPOTHESIS_PROFILE`: `make test` short, `make model-hour` long."""

import os

from hypothesis import settings

EXAMPLES = {"short": 0.15, "default": 1, "long": 20}
"""How many times as many examples as by default."""


def is_short() -> bool:
    """Return whether few examples are enough, because `make model` tries more of them."""
    return _profile() == "short"


def effort(examples: int, *, steps: int = 50) -> settings:
    """Return the settings of a test that by default tries so many examples."""
    return settings(
        max_examples=round(examples * EXAMPLES[_profile()]),
        stateful_step_count=steps,
        print_blob=True,
        report_multiple_bugs=False,
    )


def _profile() -> str:
    return os.environ.get("HYPOTHESIS_PROFILE", "default")
