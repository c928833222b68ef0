"""Reads JSON that others wrote: whatever is wrong with it is a ValueError, however deep it is."""

import json
from typing import Any

_DECODER = json.JSONDecoder()


def read_json(text: str | bytes) -> Any:
    """Return what the text says; raise ValueError for one that can't be read or is too deep."""
    try:
        return _DECODER.decode(text.decode() if isinstance(text, bytes) else text)
    except RecursionError:
        # Without the cause: its traceback has a thousand frames.
        raise ValueError("deeper than anything that is meant for us") from None
