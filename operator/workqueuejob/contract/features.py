"""The settings that came after version 0.1.0: each travels in a variable of the pod. Pure.

The worker in an image may be older than the operator. That of 0.1.0 refuses `WQJ_SETTINGS` with a
key that it does not know. So a later setting has a variable, which older workers leave alone. It is
written only if it is not at its default.

    deadline_seconds            WQJ_FEATURE_DEADLINE_SECONDS
    retry.max_lost_attempts     WQJ_FEATURE_RETRY__MAX_LOST_ATTEMPTS

A worker goes on without a feature that it does not know, and names it in its report. A worker of
0.1.0 knows none, and its report does not say that it reads features.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import Field, field
from typing import Any

PREFIX = "WQJ_FEATURE_"
_SEPARATOR = "__"
_ADDED = "added"


def added(default: Any) -> Any:
    """Declare a field of the settings that version 0.1.0 lacks."""
    return field(default=default, metadata={_ADDED: True})


def is_added(declared: Field[Any]) -> bool:
    """Return whether version 0.1.0 lacks a field of the settings."""
    return _ADDED in declared.metadata


def write_features(values: Mapping[str, Any]) -> dict[str, str]:
    """Return the variables of settings, given by names such as `retry.max_lost_attempts`."""
    return {
        PREFIX + name.replace(".", _SEPARATOR).upper(): json.dumps(value, separators=(",", ":"))
        for name, value in values.items()
    }


def read_features(environ: Mapping[str, str]) -> dict[str, Any]:
    """Return the values of all features in an environment, by name; raise ValueError."""
    return {name: json.loads(environ[PREFIX + variable]) for variable, name in _find_names(environ)}


def list_features(variables: Collection[str]) -> tuple[str, ...]:
    """Return the names of the features among the names of variables."""
    return tuple(sorted(name for _, name in _find_names(variables)))


def describe_lacking(names: Collection[str]) -> str:
    """Say what becomes of features that a worker does not know."""
    return (
        f"the worker in the image is older than the operator, and goes on without"
        f" {', '.join(names)}; put the operator's version of the worker into the image"
    )


def _find_names(variables: Collection[str]) -> Iterator[tuple[str, str]]:
    for variable in variables:
        if variable.startswith(PREFIX):
            rest = variable.removeprefix(PREFIX)
            yield rest, rest.replace(_SEPARATOR, ".").lower()
