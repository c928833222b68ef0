"""The one rule for the end of a text in a Secret: a line break there does not belong to it.

`echo` and most editors write one, and neither a login nor a URI ends with one. The kubelet hands a
program without the worker the text as it is.
"""


def drop_line_break(text: str) -> str:
    """Return a text without the line break at its end."""
    return text.removesuffix("\n").removesuffix("\r")
