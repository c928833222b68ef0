"""A model's structural schema: the dialect of OpenAPI that a CustomResourceDefinition takes.

Kubernetes allows no `$ref`, no `anyOf` with null and no `additionalProperties: true`, and has words
of its own for open objects and rules. What a field means is said by the models and nowhere here.
"""

import re
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from workqueuejob.api.base import Model, Rule

Schema = dict[str, Any]

_INTRA_PARAGRAPH_BREAK = re.compile(r"(?<!\n)\n(?!\n)")
_REF_PREFIX = "#/$defs/"


def build_schema(model: type[Model]) -> Schema:
    """Return the structural schema of a model, with everything that it refers to put in place."""
    schema = model.model_json_schema(schema_generator=_StructuralSchema)
    definitions = schema.pop("$defs", {})
    structural: Schema = _inlined(schema, definitions)
    return structural


class _StructuralSchema(GenerateJsonSchema):
    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        json_schema = super().model_schema(schema)
        if json_schema.pop("additionalProperties", False):
            json_schema["x-kubernetes-preserve-unknown-fields"] = True
        model = schema["cls"]
        if issubclass(model, Model) and model.rules:
            json_schema["x-kubernetes-validations"] = [_validation(rule) for rule in model.rules]
        return json_schema

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        """None is absence here; the API server takes no null."""
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """Only scalars get a default, so that an object does not fill up with empty parts."""
        if isinstance(schema.get("default"), str | int):
            return super().default_schema(schema)
        return self.generate_inner(schema["schema"])

    def int_schema(self, schema: core_schema.IntSchema) -> JsonSchemaValue:
        return {**super().int_schema(schema), "format": "int32"}

    def enum_schema(self, schema: core_schema.EnumSchema) -> JsonSchemaValue:
        """Drop the enum's docstring: the field that uses the enum describes it to the user."""
        json_schema = super().enum_schema(schema)
        json_schema.pop("description", None)
        if "const" in json_schema:
            json_schema["enum"] = [json_schema.pop("const")]
        return json_schema


def _validation(rule: Rule) -> Schema:
    validation = {
        "rule": rule.rule,
        "message": rule.message,
        "reason": rule.reason.value,
        "fieldPath": rule.field_path,
        "optionalOldSelf": rule.knows_old_self or None,
    }
    return {key: value for key, value in validation.items() if value is not None}


def _inlined(node: Any, definitions: Schema) -> Any:
    if isinstance(node, list):
        return [_inlined(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    reference = node.get("$ref", "")
    if reference:
        # What is said where it is used wins over what is said where it is defined.
        node = definitions[reference.removeprefix(_REF_PREFIX)] | node
    return {
        key: _field(key, value, definitions)
        for key, value in node.items()
        if key not in {"$ref", "title"} or isinstance(value, dict)
    }


def _field(key: str, value: Any, definitions: Schema) -> Any:
    if key == "description" and isinstance(value, str):
        return _INTRA_PARAGRAPH_BREAK.sub(" ", value)
    return _inlined(value, definitions)
