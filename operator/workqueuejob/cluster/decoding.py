"""Reads JSON of any depth, so that one deep object keeps nobody from reading all the others.

A pod template may hold fields that no schema knows, up to 10,000 levels deep. Python neither
decodes nor copies what is that deep, and a list with such an object in it would end the operator.
"""

import json
import re
from typing import Any

LEVELS = 100
"""Far below what a Job or its WorkQueueJob has."""

_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}]')


def read_deep_json() -> None:
    """Let `json.loads` read JSON of any depth from now on, in the whole process.

    kopf, aiohttp and the client call it, and none of them can be given another decoder.
    """
    json._default_decoder = _AnyDepth()  # type: ignore[attr-defined] # noqa: SLF001


class _AnyDepth(json.JSONDecoder):
    def decode(self, s: str, *where: Any) -> Any:
        try:
            found = super().decode(s, *where)
        except RecursionError:
            return super().decode(cut(s), *where)
        return super().decode(cut(s), *where) if _is_deep(found) else found


def _is_deep(found: Any) -> bool:
    """Return whether anything is deeper than LEVELS; level by level, for a call has its limit."""
    level, levels = [[found]], -1
    while level:
        levels += 1
        level = [
            list(below.values()) if isinstance(below, dict) else below
            for one in level
            for below in one
            if isinstance(below, dict | list)
        ]
    return levels > LEVELS


def cut(text: str) -> str:
    """Return JSON in which null stands for what is deeper than LEVELS."""
    pieces: list[str] = []
    depth = kept_until = 0
    for token in _TOKEN.finditer(text):
        match text[token.start()]:
            case "[" | "{":
                depth += 1
                if depth == LEVELS + 1:
                    pieces.append(text[kept_until : token.start()])
            case "]" | "}":
                if depth == LEVELS + 1:
                    pieces.append("null")
                    kept_until = token.end()
                depth -= 1
    return "".join([*pieces, text[kept_until:]])
