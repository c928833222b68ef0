"""How many of the pods that `parallelism` allows are wanted, and how many in any case."""

from typing import Annotated, ClassVar

from pydantic import Field

from workqueuejob.api.base import Model, Rule, RuleReason
from workqueuejob.api.scalars import Message, Parallelism, PositiveCount, PositiveSeconds


class Autoscale(Model):
    """What decides how many pods run. If several fields are set, the field that asks for the most
    pods decides."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            rule=(
                "has(self.itemsPerWorker) || has(self.finishWithinSeconds)"
                " || self.minParallelism > 0"
            ),
            message=(
                "autoscale must say what decides; set itemsPerWorker, finishWithinSeconds or"
                " minParallelism, or remove autoscale"
            ),
            reason=RuleReason.REQUIRED,
        ),
    )

    min_parallelism: Parallelism = 0
    """How many pods a Continuous run keeps while nothing is ready, so that items that arrive need
    not wait for a pod to start. It needs mode Fine and worker, and for RabbitMQ also management.
    Kafka does not offer it. At most parallelism. With runPolicy UntilDrained it has no effect.
    Default: 0."""

    items_per_worker: PositiveCount | None = None
    """How many remaining items get one pod. For example, with itemsPerWorker 50, 120 items get
    3 pods. There are never more pods than parallelism. Unset: the field has no effect."""

    finish_within_seconds: PositiveSeconds | None = None
    """In how many seconds the work should be done. They count from status.startTime or, with
    runPolicy Continuous, from the start of the busy period. The operator runs as many pods as it
    needs for that. It calculates the number from the time that items have taken lately. When the
    time is over, it runs as many pods as parallelism allows. Unset: the field has no effect."""


class ScalingStatus(Model):
    """How desiredParallelism was calculated."""

    seconds_per_item: (
        Annotated[str, Field(max_length=32, pattern=r"^[0-9]+(\.[0-9]+)?$")] | None
    ) = None
    """For how many seconds one item kept a pod busy lately, a decimal number such as 1.02. In mode
    Coarse it includes the pod's start. Absent: no item has been settled yet."""

    message: Message | None = None
    """The numbers and the result, such as "120 items left at 1.02 s each and 61 s to go need 2 of 8
    pods"."""
