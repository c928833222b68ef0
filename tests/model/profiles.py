"""How hard hypothesis tries, by `HYPOTHESIS_PROFILE`: `make test` short, `make model-hour` long."""

import os

from hypothesis import settings

EXAMPLES = {"short": 0.15, "default": 1, "long": 20}
"""How many times as many examples as by default."""


def effort(examples: int, *, steps: int = 50) -> settings:
    """Return the settings of a test that by default tries so many examples."""
    profile = os.environ.get("HYPOTHESIS_PROFILE", "default")
    return settings(
        max_examples=round(examples * EXAMPLES[profile]),
        stateful_step_count=steps,
        print_blob=True,
        report_multiple_bugs=False,
    )
