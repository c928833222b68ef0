"""Each broker's room offers every side, and nothing outside of the rooms says a broker's name."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

import workqueuejob
from workqueuejob.api import QueueSource
from workqueuejob.brokers import sides
from workqueuejob.brokers.registry import ROOMS, Room, find_room

SIDES: dict[str, type] = {
    "settings": sides.SettingsSide,
    "traits": sides.TraitsSide,
    "environment": sides.EnvironmentSide,
    "resolve": sides.ResolveSide,
    "reference": sides.ReferenceSide,
    "probe": sides.ProbeSide,
    "connecting": sides.ConnectingSide,
    "broker": sides.BrokerSide,
}

PACKAGE = Path(workqueuejob.__file__).parent
OTHER_NAMES = ("rabbit", "amqp", "valkey", "sentinel")
NAMES = re.compile("|".join([*OTHER_NAMES, *(room.name for room in ROOMS)]), re.IGNORECASE)
ROOMED = ("api/", *(f"brokers/{room.name}/" for room in ROOMS))
EXCEPTIONS = {
    "brokers/registry.py": "the table of the rooms",
    "errors.py": "an error is named after what people know: a virtual host is RabbitMQ's alone",
    "worker/library.py": "says which URLs a program may give",
    "planning/words/messages.py": "one sentence for all brokers names what RabbitMQ's consumers do",
}


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.name)
@pytest.mark.parametrize("side", SIDES)
def test_room_offers_every_side(room: Room, side: str) -> None:
    offered = vars(getattr(room, side))
    wanted = {name for name in vars(SIDES[side]) if not name.startswith("_")}
    assert wanted | set(SIDES[side].__annotations__) <= set(offered)


def test_room_is_found_by_its_name() -> None:
    assert [find_room(room.name) for room in ROOMS] == list(ROOMS)


def test_every_member_of_the_spec_has_a_room() -> None:
    assert set(QueueSource.model_fields) == {room.name for room in ROOMS}


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.name)
def test_source_and_connection_name_their_room(room: Room) -> None:
    classes = [value for value in vars(room.settings).values() if isinstance(value, type)]
    named = [cast("str", value.broker) for value in classes if hasattr(value, "broker")]
    assert named == [room.name, room.name]


def test_import_linter_keeps_every_room_apart() -> None:
    """A wildcard would match the modules that the rooms share as well."""
    project = tomllib.loads((PACKAGE.parents[1] / "pyproject.toml").read_text())
    contracts = project["tool"]["importlinter"]["contracts"]
    apart = next(contract for contract in contracts if contract["type"] == "independence")
    rooms = {init.parent.name for init in (PACKAGE / "brokers").glob("*/__init__.py")}
    assert set(apart["modules"]) == {f"workqueuejob.brokers.{room}" for room in rooms}


def test_no_module_outside_of_the_rooms_says_a_brokers_name() -> None:
    speaking = {
        module: words
        for module, words in _find_words()
        if module not in EXCEPTIONS and not module.startswith(ROOMED)
    }
    assert speaking == {}


def test_every_exception_is_one() -> None:
    assert set(EXCEPTIONS) <= {module for module, _ in _find_words()}


def _find_words() -> Iterator[tuple[str, list[str]]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        words = [word for word in _list_words(ast.parse(path.read_text())) if NAMES.search(word)]
        if words:
            yield str(path.relative_to(PACKAGE)), words


def _list_words(tree: ast.AST) -> Iterator[str]:
    """Yield every name, attribute, import and text, docstrings included."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=word) | ast.Attribute(attr=word) | ast.arg(arg=word):
                yield word
            case ast.ClassDef(name=word) | ast.FunctionDef(name=word) | ast.keyword(arg=str(word)):
                yield word
            case ast.alias(name=word) | ast.ImportFrom(module=str(word)):
                yield word
            case ast.Constant(value=str(word)):
                yield word
