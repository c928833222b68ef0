"""Every ignore of a checker has a code and a reason, as CONTRIBUTING says."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("bench", "crds", "dev", "examples", "operator", "tests")

_IGNORE = re.compile(r"#\s*(type: ignore|noqa)\b")
_EXPLAINED = re.compile(
    r"#\s*(type: ignore\[[a-z, -]+\] +#|noqa: [A-Z]+\d+(, [A-Z]+\d+)* +[-(]) *\w"
)


def test_ignore_has_a_code_and_a_reason() -> None:
    unexplained = [
        f"{path.relative_to(ROOT)}:{number}"
        for folder in FOLDERS
        for path in sorted((ROOT / folder).rglob("*.py"))
        if path != Path(__file__)
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if _IGNORE.search(line) and not _EXPLAINED.search(line)
    ]

    assert unexplained == []
