"""Reads the API server's JSON at any depth, so that one deep object hides none of the others.

A pod template may hold fields that no schema knows, up to 10,000 levels deep. Python's decoder
raises RecursionError at that depth, so a list with such an object in it would end the operator.
Used for the API server's answers only: `json` reads brokers' answers.
"""

import json
import re
from typing import Any

KEPT_LEVELS = 100
"""Levels that are kept of JSON that is too deep. Far more than the fields of a Job have."""

_DECODER = json.JSONDecoder()

# Possessive, and a string may lack its end, so that no character is looked at twice.
_TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]', re.DOTALL)


def decode(text: str) -> Any:
    """Return the value of a JSON text; raises ValueError if it is not JSON.

    If it is too deep for Python, what is deeper than KEPT_LEVELS is None.
    """
    try:
        return json.loads(text)
    except RecursionError:
        return json.loads(cut(text))


def decode_at(text: str, begin: int) -> tuple[Any, int]:
    """Return the value that begins at `begin`, as `decode` does, and the index behind its end.

    Raises ValueError if no JSON begins there, or if its end is not in the text.
    """
    try:
        return _DECODER.raw_decode(text, begin)
    except RecursionError:
        end = _find_end(text, begin)
        return decode(text[begin:end]), end


def cut(text: str) -> str:
    """Return the text with null in the place of what is deeper than KEPT_LEVELS.

    Takes linear time in the length of the text.
    """
    pieces: list[str] = []
    depth = kept_until = 0
    for token in _TOKEN.finditer(text):
        match text[token.start()]:
            case "[" | "{":
                depth += 1
                if depth == KEPT_LEVELS + 1:
                    pieces.append(text[kept_until : token.start()])
            case "]" | "}":
                if depth == KEPT_LEVELS + 1:
                    pieces.append("null")
                    kept_until = token.end()
                depth -= 1
    # A value that is still too deep at the end of the text is not closed, and so is not JSON.
    return "".join(pieces if depth > KEPT_LEVELS else [*pieces, text[kept_until:]])


def _find_end(text: str, begin: int) -> int:
    depth = 0
    for token in _TOKEN.finditer(text, begin):
        match text[token.start()]:
            case "[" | "{":
                depth += 1
            case "]" | "}":
                depth -= 1
                if depth == 0:
                    return token.end()
    raise ValueError("the value has no end")
