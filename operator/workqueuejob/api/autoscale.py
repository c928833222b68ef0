"""How many of the pods that `parallelism` allows are wanted, and how many in any case."""

from typing import Annotated, ClassVar

from pydantic import Field

from workqueuejob.api.base import Model, Rule, RuleReason
from workqueuejob.api.scalars import Message, Parallelism, PositiveCount, PositiveSeconds


class Autoscale(Model):
    """What decides on the number of pods; of several, the one that wants most."""

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
    """Pods that a Continuous run keeps although nothing is ready, so that items which arrive need
    not wait for a pod to start. It needs mode Fine and worker, and with RabbitMQ management. With
    runPolicy UntilDrained it has no effect. Default: 0."""

    items_per_worker: PositiveCount | None = None
    """One pod for each so many items that are left."""

    finish_within_seconds: PositiveSeconds | None = None
    """As many pods as it takes to be done within so many seconds of status.startTime or, with
    runPolicy Continuous, of the start of the busy period. It follows from the time that items have
    taken lately. Once it is too late, as many as spec.parallelism allows."""


class ScalingStatus(Model):
    """How desiredParallelism came about."""

    seconds_per_item: (
        Annotated[str, Field(max_length=32, pattern=r"^[0-9]+(\.[0-9]+)?$")] | None
    ) = None
    """Seconds for which an item has kept a pod lately, a decimal number such as 1.02; in mode
    Coarse with the pod's start. Absent: none was settled yet."""

    message: Message | None = None
    """The numbers and what follows from them, such as "120 items left at 1.02 s each and 61 s to go
    need 2 of 8 pods"."""
