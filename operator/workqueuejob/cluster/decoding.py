"""Reads the API server's JSON at any depth, so that one deep object hides none of the others.

A pod template may hold fields that no schema knows, up to 10,000 levels deep, which is more than
Python's decoder takes. A list with such an object in it would end the operator. Only for what the
API server sends: brokers' answers are read by `json` alone.
"""

import json
import re
from typing import Any

LEVELS = 100
"""What is left of JSON that is too deep. Far more than a Job or its WorkQueueJob has."""

_DECODER = json.JSONDecoder()

# Possessive, and a string may lack its end: no character is looked at twice.
_TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]', re.DOTALL)


def decode(text: str) -> Any:
    """Return what the JSON says; raises ValueError for what is none.

    Where it is too deep for Python, null stands for what is deeper than LEVELS.
    """
    try:
        return json.loads(text)
    except RecursionError:
        return json.loads(cut(text))


def decode_at(text: str, begin: int) -> tuple[Any, int]:
    """Return the value that begins there, as `decode` does, and where it ends.

    Raises ValueError for what is no JSON, or has no end yet.
    """
    try:
        return _DECODER.raw_decode(text, begin)
    except RecursionError:
        end = _find_end(text, begin)
        return decode(text[begin:end]), end


def cut(text: str) -> str:
    """Return JSON in which null stands for what is deeper than LEVELS.

    Takes a time that grows with the length of the text alone, whatever it holds.
    """
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
    # What is still too deep at the end of the text is not closed, and so no JSON.
    return "".join(pieces if depth > LEVELS else [*pieces, text[kept_until:]])


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
