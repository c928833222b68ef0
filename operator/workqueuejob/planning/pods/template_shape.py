"""Checks that a pod template has the shape that the operator builds upon, and reads it. Pure.

The schema leaves most of a template open, and the API server judges the Job that is made of it. But
the operator adds to some fields before that, and it can't add a variable to a string.
"""

from collections.abc import Mapping
from typing import Any

from workqueuejob.api import WorkerSpec
from workqueuejob.errors import TemplateInvalid

Container = Mapping[str, Any]

_POD = "spec.template.spec"


def check_shape(template: Mapping[str, Any]) -> None:
    """Raise TemplateInvalid, with the field's name, if a field is of the wrong kind.

    Null means absent, as in any pod.

    template: as the schema takes it, so it has a spec with containers.
    """
    pod = template["spec"]
    _read_objects(pod, "volumes", _POD)
    _read_object(pod, "securityContext", _POD)
    for kind in ("initContainers", "containers"):
        for number, container in enumerate(_read_objects(pod, kind, _POD)):
            _check_container(container, f"{_POD}.{kind}[{number}]")


def read_variable_names(container: Container) -> set[str]:
    """Return the names in a container's env, without entries that are no variables."""
    env = container.get("env")
    variables = env if isinstance(env, list) else ()
    names = (variable.get("name") for variable in variables if isinstance(variable, dict))
    return {name for name in names if isinstance(name, str)}


def find_worked(worker: WorkerSpec | None, pod: Mapping[str, Any]) -> dict[str, Any]:
    """Return the container that works on the items; the API server has checked that it exists."""
    containers: list[dict[str, Any]] = pod["containers"]
    named = worker.container_name if worker else None
    return next((c for c in containers if c["name"] == named), containers[0])


def _check_container(container: Container, where: str) -> None:
    for number, variable in enumerate(_read_objects(container, "env", where)):
        if not isinstance(variable.get("name"), str):
            raise _refuse(f"{where}.env[{number}].name", "a string")
    _read_objects(container, "volumeMounts", where)
    resources = _read_object(container, "resources", where)
    for kind in ("requests", "limits"):
        _read_object(resources, kind, f"{where}.resources")
    if any(not isinstance(word, str) for word in _read_list(container, "args", where)):
        raise _refuse(f"{where}.args", "a list of strings")


def _read_list(parent: Mapping[str, Any], field: str, where: str) -> list[Any]:
    value = parent.get(field)
    if value is not None and not isinstance(value, list):
        raise _refuse(f"{where}.{field}", "a list")
    return value or []


def _read_objects(parent: Mapping[str, Any], field: str, where: str) -> list[Mapping[str, Any]]:
    entries = _read_list(parent, field, where)
    if any(not isinstance(entry, dict) for entry in entries):
        raise _refuse(f"{where}.{field}", "a list of objects")
    return entries


def _read_object(parent: Mapping[str, Any], field: str, where: str) -> Mapping[str, Any]:
    value = parent.get(field)
    if value is not None and not isinstance(value, dict):
        raise _refuse(f"{where}.{field}", "an object")
    return value or {}


def _refuse(field: str, what: str) -> TemplateInvalid:
    return TemplateInvalid(f"{field} must be {what}; correct it")
