"""What the schema says about a Job's pod template, without copying Kubernetes' own schema.

The full pod schema would pass kubectl's limit of 256 KiB for `apply` and prune the fields of newer
pods. So only what the operator must know is declared, everything else is kept as it is: whether
Kubernetes accepts it, the API server says. The template itself is kept as text (`template_text`).
"""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field, GetJsonSchemaHandler, PlainSerializer, PlainValidator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from workqueuejob.api.base import Model, Rule, RuleReason, atomic_list, list_map
from workqueuejob.api.scalars import Annotations, Labels
from workqueuejob.api.template_text import TemplateText
from workqueuejob.names import GROUP


class RestartPolicy(StrEnum):
    """What a Job accepts; a pod's own default, Always, is not among it."""

    NEVER = "Never"
    ON_FAILURE = "OnFailure"


# The longest argument that Linux takes.
CommandWord = Annotated[
    str, Field(max_length=131_072, description="The program's name, or one of its arguments.")
]


class _OpenModel(Model):
    """Part of a template: what is not declared here is kept."""

    model_config = ConfigDict(extra="allow")


class ContainerSchema(_OpenModel):
    """A container, as in any pod."""

    name: Annotated[str, Field(min_length=1, max_length=63)]
    """Name of the container: a DNS label, unique in the pod."""

    command: (
        Annotated[tuple[CommandWord, ...], Field(max_length=1024, json_schema_extra=atomic_list())]
        | None
    ) = None
    """The container's command, as in any pod. With worker.source Injected you must set it in the
    container that works on the items. The worker runs it once for each item, with args behind
    it."""


class PodSpecSchema(_OpenModel):
    """A pod's spec."""

    containers: Annotated[
        tuple[ContainerSchema, ...],
        Field(min_length=1, max_length=64, json_schema_extra=list_map("name")),
    ]
    """The containers of a pod, at least one. Every field of a container is accepted, as in a
    Job."""

    restart_policy: RestartPolicy | None = None
    """Never: a failed pod is replaced by a new one. OnFailure: the containers are started again in
    the same pod; worker excludes it. A Job accepts only these two. Unset: Never."""


class PodMetadataSchema(_OpenModel):
    """What pods are born with."""

    labels: Labels = Field(default_factory=dict)
    """Labels of the pods. Labels that begin with wqj.dev/ belong to the operator and can't be
    set."""

    annotations: Annotations = Field(default_factory=dict)
    """Annotations of the pods."""


class PodTemplateSchema(_OpenModel):
    """A Job's pod template."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            rule=(
                "!has(self.metadata) || !has(self.metadata.labels)"
                f" || self.metadata.labels.all(key, !key.startsWith('{GROUP}/'))"
            ),
            message=f"template.metadata.labels must not begin with {GROUP}/; rename the label",
            field_path=".metadata.labels",
            reason=RuleReason.FORBIDDEN,
        ),
    )

    metadata: PodMetadataSchema = PodMetadataSchema()
    """Labels and annotations of the pods."""

    spec: PodSpecSchema
    """The spec of the pods, as in a Job. `kubectl explain job.spec.template.spec` explains the
    fields that are not listed here."""


class _SchemaOf:
    """Says in the schema what the annotated value is made of, without parsing it."""

    def __init__(self, model: type[Model]) -> None:
        self._model = model

    def __get_pydantic_json_schema__(
        self, _schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return handler(self._model.__pydantic_core_schema__)


PodTemplate = Annotated[
    TemplateText,
    PlainValidator(TemplateText.read),
    PlainSerializer(TemplateText.parse),
    _SchemaOf(PodTemplateSchema),
]
