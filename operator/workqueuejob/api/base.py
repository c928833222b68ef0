"""What every model of the resource shares, and the rules that the API server checks for them.

A model's attribute docstrings are the field descriptions that `kubectl explain` shows. They are
written for the person who fills the field in; a class's docstring is written for them too wherever
the class is the item of a list.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class RuleReason(StrEnum):
    """The reason that the API server gives when a rule refuses an object."""

    INVALID = "FieldValueInvalid"
    FORBIDDEN = "FieldValueForbidden"
    REQUIRED = "FieldValueRequired"


@dataclass(frozen=True, slots=True)
class Rule:
    """A CEL expression over one model, checked by the API server and not by pydantic.

    field_path: relative to the model, such as `.host`; None points at the model as a whole.
    knows_old_self: whether `oldSelf` may be asked, as an optional value: there is none on creation.
        Without it, a rule that names `oldSelf` is not run on creation at all.
    """

    rule: str
    message: str
    field_path: str | None = None
    reason: RuleReason = RuleReason.INVALID
    knows_old_self: bool = False


class Model(BaseModel):
    """A frozen part of the resource: snake_case here, camelCase in a manifest.

    Unknown fields are ignored, because a newer operator may have written the object.
    """

    model_config = ConfigDict(
        alias_generator=to_camel,
        extra="ignore",
        frozen=True,
        populate_by_name=True,
        use_attribute_docstrings=True,
    )

    rules: ClassVar[tuple[Rule, ...]] = ()
    """What the API server checks of this model, besides its fields."""

    def model_post_init(self, _context: object, /) -> None:
        """Share the set of the fields that are set, which is half of a small model's memory."""
        shared = _share(frozenset(self.__pydantic_fields_set__))
        # Frozen models never change it, and a copy of a model copies it.
        object.__setattr__(self, "__pydantic_fields_set__", shared)

    @classmethod
    def from_manifest(cls, manifest: Mapping[str, Any]) -> Self:
        """Read what the API server stores; raise `pydantic.ValidationError` if it can't be read."""
        return cls.model_validate(dict(manifest))

    def to_manifest(self) -> dict[str, Any]:
        """Return what the API server stores; a field that is None is absent."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


@lru_cache(maxsize=1024)
def _share(fields: frozenset[str]) -> set[str]:
    """Return the one set of these fields."""
    return set(fields)


def immutable(field: str, *, remedy: str) -> Rule:
    """Return the rule of a field that can't be changed, added or removed later.

    It belongs to the model that has the field: a rule on the field itself is not run when the
    field is added or removed.
    """
    return Rule(
        rule=(
            f"has(self.{field}) == has(oldSelf.{field})"
            f" && (!has(self.{field}) || self.{field} == oldSelf.{field})"
        ),
        message=f"{field} is immutable; {remedy}",
        field_path=f".{field}",
        reason=RuleReason.FORBIDDEN,
    )


def not_with_uri(field: str, *, remedy: str) -> Rule:
    """Return the rule of a field whose value the URI of uriSecretRef holds."""
    return Rule(
        rule=f"!has(self.uriSecretRef) || !has(self.{field})",
        message=f"{field} must not be set with uriSecretRef; {remedy}",
        field_path=f".{field}",
        reason=RuleReason.FORBIDDEN,
    )


HOST_ALONE = Rule(
    rule="!has(self.host) || !self.host.matches('[/@]|^[^:]*:[^:]*$')",
    message=(
        "host must be a host name or address alone; put its port into port, or a whole URI"
        " into a Secret for uriSecretRef"
    ),
    field_path=".host",
)

CREDENTIALS_NOT_WITH_URI = not_with_uri(
    "credentialsSecretRef", remedy="put user name and password into the URI, percent-encoded"
)


USERNAME_WITH_PASSWORD = Rule(
    rule="!has(self.username) || has(self.credentialsSecretRef)",
    message=(
        "username must not be set without credentialsSecretRef, whose Secret has the password; set"
        " that, or remove username"
    ),
    field_path=".username",
    reason=RuleReason.FORBIDDEN,
)


def atomic_list() -> dict[str, str]:
    """Return what says that a list is one value, which apply replaces as a whole."""
    return {"x-kubernetes-list-type": "atomic"}


def list_map(key: str) -> dict[str, str | list[str]]:
    """Return what says that a list's items are known by a key, and are merged by it on apply."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [key]}
