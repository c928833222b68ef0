import re
from collections.abc import Iterator
from typing import Any, get_args

import pytest

from workqueuejob.api.base import Model, Rule
from workqueuejob.api.crd import WorkQueueJobSchema, build_crd
from workqueuejob.api.schema import Schema, build_schema
from workqueuejob.brokers.registry import ROOMS

# The words of a structural schema that this resource uses.
KEYWORDS = {
    "additionalProperties",
    "default",
    "description",
    "enum",
    "format",
    "items",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minItems",
    "minLength",
    "minimum",
    "pattern",
    "properties",
    "required",
    "type",
    "x-kubernetes-int-or-string",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-list-type",
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-validations",
}

JOBS_OWN_RULES = ".spec.podFailurePolicy.rules"
"""Asked in order, and with nothing to tell one from another: atomic, as in a Job."""


def walk(schema: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    yield path, schema
    for name, below in schema.get("properties", {}).items():
        yield from walk(below, f"{path}.{name}")
    if "items" in schema:
        yield from walk(schema["items"], f"{path}[]")
    if "additionalProperties" in schema:
        yield from walk(schema["additionalProperties"], f"{path}{{}}")


VERSION = build_crd()["spec"]["versions"][0]
ROOT: Schema = VERSION["schema"]["openAPIV3Schema"]
# The API server documents and bounds metadata itself.
NODES = [node for node in walk(ROOT) if not node[0].startswith(".metadata")]


def nodes(of_type: str = "") -> pytest.MarkDecorator:
    chosen = [(path, node) for path, node in NODES if of_type in {"", node.get("type")}]
    ids = [path or "." for path, _ in chosen]
    return pytest.mark.parametrize(("path", "node"), chosen, ids=ids)


@nodes()
def test_schema_is_structural(path: str, node: Schema) -> None:
    assert set(node) <= KEYWORDS
    assert (
        node.get("type") in {"object", "array", "string", "integer", "boolean"}
        or (node["x-kubernetes-int-or-string"])
    )


@nodes()
def test_everything_is_described_in_sentences(path: str, node: Schema) -> None:
    if path.endswith("{}"):
        return
    description = node["description"]
    assert description.endswith(".")
    assert "\n" not in description
    assert not re.search(r"(?i)todo|lorem|``", description)


@nodes("string")
def test_every_string_is_bounded(path: str, node: Schema) -> None:
    # The API server knows how long a date and the longest word of an enum are.
    assert "maxLength" in node or "enum" in node or node.get("format") == "date-time"


@nodes("array")
def test_every_list_is_bounded_and_says_how_it_merges(path: str, node: Schema) -> None:
    assert node["maxItems"] <= 1024
    of_objects = {"atomic"} if path.startswith(JOBS_OWN_RULES) else {"map"}
    is_object = node["items"]["type"] == "object"
    assert node["x-kubernetes-list-type"] in (of_objects if is_object else {"atomic", "set"})


@nodes("integer")
def test_every_integer_has_a_width_and_a_minimum(path: str, node: Schema) -> None:
    assert node["format"] in {"int32", "int64"}
    assert "minimum" in node
    assert node["format"] == "int64" or "maximum" in node


@nodes("object")
def test_every_map_is_bounded_and_every_object_declared(path: str, node: Schema) -> None:
    assert ("additionalProperties" in node) != ("properties" in node)
    assert "additionalProperties" not in node or "maxProperties" in node


@nodes("string")
def test_every_pattern_is_anchored_and_understood_by_both_sides(path: str, node: Schema) -> None:
    pattern = node.get("pattern", "^$")
    assert pattern.startswith("^")
    assert pattern.endswith("$")
    # RE2 has neither look-around nor back references.
    assert not re.search(r"\(\?[=!<]|\\[1-9]", pattern)


def rules() -> list[tuple[str, dict[str, Any], Schema]]:
    return [
        (path, rule, node)
        for path, node in NODES
        for rule in node.get("x-kubernetes-validations", [])
    ]


@pytest.mark.parametrize(("path", "rule", "node"), rules(), ids=lambda value: str(value)[:60])
def test_every_rule_says_which_field_and_what_to_do(
    path: str, rule: dict[str, Any], node: Schema
) -> None:
    field = rule.get("fieldPath", "").split(".")[-1] or path.rsplit(".", maxsplit=1)[-1]
    field = field.removesuffix("[]")
    assert ";" in rule["message"] or "must be at most" in rule["message"]
    assert field in rule["message"] or "uriSecretRef" in rule["message"]
    assert rule["reason"].startswith("FieldValue")


def models_of(annotation: Any) -> list[type[Model]]:
    if isinstance(annotation, type) and issubclass(annotation, Model):
        return [annotation]
    return [model for argument in get_args(annotation) for model in models_of(argument)]


def fields_with_schemas(
    model: type[Model], schema: Schema, path: str
) -> Iterator[tuple[str, Any, Schema]]:
    for field in model.model_fields.values():
        below = schema["properties"][field.alias]
        where = f"{path}.{field.alias}"
        default = None if field.is_required() else field.get_default(call_default_factory=True)
        yield where, default, below
        for child in models_of(field.annotation):
            yield from fields_with_schemas(child, below.get("items", below), where)


@pytest.mark.parametrize(
    ("path", "default", "schema"), list(fields_with_schemas(WorkQueueJobSchema, ROOT, ""))
)
def test_api_server_and_operator_agree_on_the_default(
    path: str, default: Any, schema: Schema
) -> None:
    if isinstance(default, str | int):
        assert schema["default"] == default
    else:
        assert "default" not in schema


@pytest.mark.parametrize(
    "path",
    [
        ".spec.itemsPerPod",
        ".spec.queue.rabbitmq.port",
        ".spec.queue.rabbitmq.vhost",
        ".spec.queue.rabbitmq.surplusPodTimeoutSeconds",
        ".spec.queue.rabbitmq.consumerTimeoutSeconds",
        ".spec.queue.redis.port",
        ".spec.queue.redis.database",
        ".spec.queue.redis.list.processingKey",
        ".spec.worker.containerName",
        ".spec.template.spec.restartPolicy",
    ],
)
def test_field_that_another_one_rules_out_has_no_schema_default(path: str) -> None:
    """Defaults run before CEL, so the other one would refuse every object."""
    assert "default" not in dict(NODES)[path]


def test_every_broker_that_works_is_offered_and_no_other() -> None:
    assert set(dict(NODES)[".spec.queue"]["properties"]) == {room.name for room in ROOMS}


def test_rule_compares_every_kind_of_queue_with_its_dead_letters() -> None:
    (rule,) = [
        rule["rule"]
        for rule in dict(NODES)[".spec"]["x-kubernetes-validations"]
        if "queue that the items come from" in rule["message"]
    ]

    assert rule.count("== self.retry.deadLetter.name") == 4
    assert "has(self.queue.redis) && has(self.queue.redis.list)" in rule


@pytest.mark.parametrize(
    ("path", "values"),
    [
        (".spec.mode", ["Coarse", "Fine"]),
        (".spec.runPolicy", ["UntilDrained", "Continuous"]),
        (".spec.emptyStart", ["Complete", "Wait"]),
        (".spec.queue.rabbitmq.authMechanism", ["PLAIN", "EXTERNAL"]),
        (".spec.queue.rabbitmq.tls.verification", ["Full", "None"]),
        (".spec.queue.redis.tls.verification", ["Full", "None"]),
        (".spec.queue.kafka.startFrom", ["Earliest", "Latest"]),
        (".spec.queue.kafka.sasl.mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]),
        (".spec.worker.source", ["Injected", "Image"]),
        (".spec.worker.delivery.type", ["Stdin", "Argument", "Environment", "File"]),
        (".spec.retry.onExhausted", ["DeadLetter", "Discard"]),
        (".spec.template.spec.restartPolicy", ["Never", "OnFailure"]),
        (".status.conditions[].status", ["True", "False", "Unknown"]),
        (".status.items.accounting", ["Counted", "Inferred"]),
        (".status.queue.precision", ["Exact", "Estimated"]),
    ],
)
def test_enum_offers_what_works(path: str, values: list[str]) -> None:
    assert dict(NODES)[path]["enum"] == values


RABBITMQ = """host uriSecretRef port vhost queue credentialsSecretRef username authMechanism
    management surplusPodTimeoutSeconds consumerTimeoutSeconds tls"""
RETRY = """maxAttempts maxLostAttempts permanentExitCodes initialDelaySeconds maxDelaySeconds
    onExhausted deadLetter"""
REDIS = """host uriSecretRef sentinel port database credentialsSecretRef username tls list
    stream leaseSeconds"""


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        (".spec.queue.rabbitmq", RABBITMQ),
        (".spec.queue.redis", REDIS),
        (".spec.queue.redis.sentinel", "masterName addresses credentialsSecretRef"),
        (".spec.queue.redis.list", "key processingKey"),
        (".spec.queue.redis.stream", "key consumerGroup"),
        (".spec.queue.kafka", "bootstrapServers topic consumerGroup startFrom sasl tls"),
        (".spec.queue.kafka.sasl", "mechanism username credentialsSecretRef"),
        (
            ".spec.worker",
            "source containerName delivery itemTimeoutSeconds prefixOutput concurrency stopSignal",
        ),
        (".spec.retry", RETRY),
        (".spec.failurePolicy", "maxDeadLettered minSettledItems"),
    ],
)
def test_fields_are_camel_case_with_plain_acronyms(path: str, fields: str) -> None:
    assert set(dict(NODES)[path]["properties"]) == set(fields.split())


def test_required_is_only_what_nothing_can_be_done_without() -> None:
    required = {path: node["required"] for path, node in NODES if "required" in node}

    assert required[""] == ["spec"]
    assert required[".spec"] == ["queue", "template"]
    assert required[".spec.queue.rabbitmq"] == ["queue"]
    assert ".spec.queue.redis" not in required
    assert required[".spec.queue.redis.stream"] == ["key", "consumerGroup"]
    assert required[".spec.queue.kafka"] == ["bootstrapServers", "topic", "consumerGroup"]
    assert required[".spec.queue.kafka.sasl"] == ["mechanism", "credentialsSecretRef"]
    assert required[".spec.worker"] == ["source"]
    assert ".spec.retry" not in required
    assert required[".spec.failurePolicy"] == ["maxDeadLettered"]
    assert required[".spec.template.spec"] == ["containers"]
    assert ".status" not in required


def test_template_keeps_what_it_does_not_declare() -> None:
    open_nodes = {p for p, n in NODES if n.get("x-kubernetes-preserve-unknown-fields")}

    assert open_nodes == {
        ".spec.template",
        ".spec.template.metadata",
        ".spec.template.spec",
        ".spec.template.spec.containers[]",
    }


def test_rule_without_a_field_points_at_the_object() -> None:
    class Pair(Model):
        """Two things."""

        rules = (Rule(rule="has(self.a)", message="set a"),)
        a: int | None = None
        """The first."""

    assert build_schema(Pair)["x-kubernetes-validations"] == [
        {"rule": "has(self.a)", "message": "set a", "reason": "FieldValueInvalid"}
    ]


def test_columns_answer_the_questions_in_order() -> None:
    columns = VERSION["additionalPrinterColumns"]

    assert [c["name"].upper() for c in columns if not c.get("priority")] == [
        "STATUS",
        "PROGRESS",
        "QUEUED",
        "IN-FLIGHT",
        "DEAD",
        "ACTIVE",
        "AGE",
    ]
    assert [c["name"].upper() for c in columns if c.get("priority")] == [
        "QUEUE",
        "RATE",
        "ETA",
        "MESSAGE",
    ]
