"""Reads JSON that other programs wrote; every fault is a ValueError, too deep nesting included."""

import json
from typing import Any

_DECODER = json.JSONDecoder()


def read_json(text: str | bytes) -> Any:
    """Return the value of a JSON text; raise ValueError for no JSON, or JSON nested too deep."""
    try:
        return _DECODER.decode(text.decode() if isinstance(text, bytes) else text)
    except RecursionError:
        # "from None", because the traceback of the cause has a thousand frames.
        raise ValueError("deeper than anything that is meant for us") from None
