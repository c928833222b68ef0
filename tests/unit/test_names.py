"""A name in the package says which thing it is."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "operator" / "workqueuejob"

MAY_REPEAT: dict[str, str] = {}
"""Names of classes that may stand more than once, each with its reason."""


def find_classes() -> Iterator[tuple[str, str]]:
    """Yield the name and the place of every class, private and nested ones included."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                yield node.name, f"{path.relative_to(PACKAGE)}:{node.lineno}"


def test_class_name_is_unique_in_the_package() -> None:
    places = defaultdict(list)
    for name, place in find_classes():
        places[name].append(place)
    repeated = {name: where for name, where in places.items() if len(where) > 1}

    assert repeated.keys() == MAY_REPEAT.keys(), repeated
