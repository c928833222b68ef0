"""A pod template as text, which the operator keeps by the thousand and seldom looks into.

As Python's objects, a template takes up to thirty times the memory of its text: 32 MB for the
largest that the API server stores. So it is parsed when a Job is built, and not before.
"""

import json
from dataclasses import dataclass
from typing import Any, Self

LEVELS = 100
"""How deep a template is read. Far deeper than any pod; Python can't copy a thousand levels."""

MOST_BYTES = 262_144
"""As much as `kubectl apply` takes, which writes what it applies into an annotation of this size.
A Job, and each of its pods, has the whole template in it, and etcd takes requests of 1.5 MiB."""


@dataclass(frozen=True, slots=True)
class TemplateText:
    """A pod template as canonical JSON: keys in order, no spaces, ASCII.

    text: empty when the template is too large to be kept.
    size: in bytes of UTF-8.
    """

    text: str
    size: int

    @classmethod
    def read(cls, template: object) -> Self:
        """Return the text of a template; raises ValueError for what is none.

        template: a dict, as the API server shows it; or what `write` returned.
        """
        match template:
            case cls():
                return template
            case str():
                return cls(template, len(template))
            case int():
                return cls("", template)
            case dict():
                return cls._from_dict(template)
        raise ValueError("a pod template must be an object")

    @classmethod
    def _from_dict(cls, template: dict[str, Any]) -> Self:
        text = _write_canonical(_limit_depth(template))
        size = len(text)
        if size > MOST_BYTES:
            plain = json.dumps(template, ensure_ascii=False, separators=(",", ":"))
            size = len(plain.encode("utf-8", "surrogatepass"))
        return cls("" if size > MOST_BYTES else text, size)

    def write(self) -> str | int:
        """Return what stands for the template in a trimmed object: its text, or only its size."""
        return self.text or self.size

    @property
    def is_too_large(self) -> bool:
        """Whether no Job may be made of it."""
        return not self.text

    def parse(self) -> dict[str, Any]:
        """Return the template as a new dict; raises ValueError for one that is too large."""
        template: dict[str, Any] = json.loads(self.text)
        return template


def _write_canonical(node: Any) -> str:
    return json.dumps(node, sort_keys=True, separators=(",", ":"))


def _limit_depth(template: dict[str, Any]) -> dict[str, Any]:
    """Put null in the place of what is deeper than LEVELS, and return the template.

    Level by level, because calls have a limit of their own.
    """
    level: list[Any] = [template]
    for _ in range(LEVELS - 1):
        level = [below for node in level for _, below in _list_nested(node)]
        if not level:
            return template
    for node in level:
        for key, _ in _list_nested(node):
            node[key] = None
    return template


def _list_nested(node: Any) -> list[tuple[Any, Any]]:
    """Return the keys and values of an object or a list that are objects or lists themselves."""
    values = node.items() if isinstance(node, dict) else enumerate(node)
    return [(key, below) for key, below in values if isinstance(below, dict | list)]
