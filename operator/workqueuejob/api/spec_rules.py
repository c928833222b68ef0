"""What the API server checks of a spec as a whole: which of its parts go together.

Nothing here is checked by pydantic. A part that a rule asks for may itself be missing or wrong, so
each rule says nothing of what another one refuses.
"""

from workqueuejob.api.base import Rule, RuleReason

# While none is named, only a single container can be meant: another rule demands the name.
_IS_WORKED = (
    "(has(self.worker.containerName) ? c.name == self.worker.containerName"
    " : self.template.spec.containers.size() == 1)"
)


def _never_ends(field: str, because: str) -> Rule:
    return Rule(
        rule=f"!has(self.{field}) || self.runPolicy != 'Continuous'",
        message=(
            f"{field} must not be set with runPolicy Continuous, {because}; remove it, or set"
            " runPolicy to UntilDrained"
        ),
        field_path=f".{field}",
        reason=RuleReason.FORBIDDEN,
    )


def _for_warm_pods(rule: str, message: str) -> Rule:
    """Also without effect, in UntilDrained: pods may still wait, and must be known to hold nothing.

    So that one field is enough to wind a run down, runPolicy is not asked for.
    """
    return Rule(
        rule=f"!has(self.autoscale) || self.autoscale.minParallelism == 0 || {rule}",
        message=message,
        field_path=".autoscale.minParallelism",
        reason=RuleReason.FORBIDDEN,
    )


SPEC_RULES: tuple[Rule, ...] = (
    _never_ends("activeDeadlineSeconds", "whose runs may go on for ever"),
    _never_ends("ttlSecondsAfterFinished", "whose runs don't finish"),
    _for_warm_pods(
        "self.mode == 'Fine'",
        "minParallelism needs mode Fine, whose pods wait for items; remove it, or use mode Fine",
    ),
    _for_warm_pods(
        "has(self.worker)",
        "minParallelism needs worker, which waits for its first item; set worker, or remove"
        " minParallelism",
    ),
    _for_warm_pods(
        "!has(self.queue.rabbitmq) || has(self.queue.rabbitmq.management)",
        "minParallelism needs spec.queue.rabbitmq.management, which tells a pod that waits from"
        " one that holds an item; set it, or remove minParallelism",
    ),
    _for_warm_pods(
        "!has(self.queue.kafka)",
        "pods that wait are not offered at Kafka, where each that comes or goes has the partitions"
        " shared out anew; remove minParallelism",
    ),
    _for_warm_pods(
        # So that kubectl scale to zero goes on to stop a run.
        "self.parallelism == 0 || self.autoscale.minParallelism <= self.parallelism",
        "minParallelism must be at most parallelism; lower it, or raise parallelism",
    ),
    Rule(
        rule="self.mode == oldSelf.mode",
        message="mode is immutable; create another WorkQueueJob for another mode",
        field_path=".mode",
        reason=RuleReason.FORBIDDEN,
    ),
    Rule(
        rule="!has(self.itemsPerPod) || self.mode == 'Coarse'",
        message=(
            "itemsPerPod must not be set in mode Fine, where a pod works until the queue is"
            " drained; remove it, or use mode Coarse"
        ),
        field_path=".itemsPerPod",
        reason=RuleReason.FORBIDDEN,
    ),
    Rule(
        rule=(
            "!has(self.worker) || !has(self.worker.concurrency) || self.mode != 'Coarse'"
            " || self.worker.concurrency <= (has(self.itemsPerPod) ? self.itemsPerPod : 1)"
        ),
        message=(
            "worker.concurrency must be at most itemsPerPod (1 if unset) in mode Coarse, because a"
            " pod takes no more items than that; lower it, raise itemsPerPod, or use mode Fine"
        ),
        field_path=".worker.concurrency",
    ),
    Rule(
        rule="has(self.worker) || !has(self.retry)",
        message=(
            "retry needs worker, for a program that talks to the broker itself retries by"
            " itself; set worker, or remove retry"
        ),
        field_path=".retry",
        reason=RuleReason.FORBIDDEN,
    ),
    Rule(
        rule="has(self.worker) || !has(self.failurePolicy)",
        message=(
            "failurePolicy needs worker, which counts the items; set worker, or remove"
            " failurePolicy"
        ),
        field_path=".failurePolicy",
        reason=RuleReason.FORBIDDEN,
    ),
    Rule(
        rule=(
            "!has(self.worker) || !has(self.queue.rabbitmq) || (has(self.retry)"
            " && (has(self.retry.deadLetter) || self.retry.onExhausted == 'Discard'))"
        ),
        message=(
            "retry must say what becomes of an item after its last attempt, with worker and"
            " rabbitmq; set retry.deadLetter.name to a queue that exists, or"
            " retry.onExhausted to Discard"
        ),
        field_path=".retry",
        reason=RuleReason.REQUIRED,
    ),
    Rule(
        rule=(
            "!has(self.retry) || !has(self.retry.deadLetter) || !has(self.queue.rabbitmq)"
            " || bytes(self.retry.deadLetter.name).size() <= 255"
        ),
        message=(
            "retry.deadLetter.name must be at most 255 bytes in UTF-8, as RabbitMQ's queue"
            " names are"
        ),
        field_path=".retry.deadLetter.name",
    ),
    Rule(
        rule=(
            "!has(self.worker) || has(self.worker.containerName)"
            " || self.template.spec.containers.size() == 1"
        ),
        message=(
            "worker.containerName must be set when the template has several containers; name"
            " the one that works on the items"
        ),
        field_path=".worker.containerName",
        reason=RuleReason.REQUIRED,
    ),
    Rule(
        rule=(
            "!has(self.worker) || !has(self.worker.containerName)"
            " || self.template.spec.containers.exists(c, c.name == self.worker.containerName)"
        ),
        message=(
            "worker.containerName must be the name of one of template.spec.containers; correct it"
        ),
        field_path=".worker.containerName",
    ),
    Rule(
        rule="!has(self.worker) || !has(self.containerName)",
        message=(
            "containerName must not be set with worker, which only one container gets; name that"
            " one in worker.containerName"
        ),
        field_path=".containerName",
        reason=RuleReason.FORBIDDEN,
    ),
    Rule(
        rule=(
            "!has(self.containerName)"
            " || self.template.spec.containers.exists(c, c.name == self.containerName)"
        ),
        message="containerName must be the name of one of template.spec.containers; correct it",
        field_path=".containerName",
    ),
    Rule(
        rule=(
            "!has(self.worker) || self.worker.source != 'Injected'"
            " || !self.template.spec.containers.exists(c,"
            f" {_IS_WORKED} && !(has(c.command) && c.command.size() > 0))"
        ),
        message=(
            "worker.source Injected needs a command in the one of template.spec.containers"
            " that works on the items, for the image's own entry point can't be seen from"
            " here; set command to what the image runs"
        ),
        field_path=".template.spec.containers",
        reason=RuleReason.REQUIRED,
    ),
    Rule(
        rule=(
            "!has(self.worker) || !has(self.template.spec.restartPolicy)"
            " || self.template.spec.restartPolicy == 'Never'"
        ),
        message=(
            "restartPolicy must be Never with worker, for a container that is started again"
            " forgets what it counted; remove restartPolicy"
        ),
        field_path=".template.spec.restartPolicy",
    ),
    Rule(
        rule=(
            "!has(self.podFailurePolicy) || !has(self.template.spec.restartPolicy)"
            " || self.template.spec.restartPolicy == 'Never'"
        ),
        message=(
            "podFailurePolicy needs restartPolicy Never, for other pods restart their containers"
            " and don't fail; remove template.spec.restartPolicy, or remove podFailurePolicy"
        ),
        field_path=".podFailurePolicy",
        reason=RuleReason.FORBIDDEN,
    ),
    Rule(
        rule=(
            "!has(self.worker) || !has(self.queue.rabbitmq)"
            " || !has(self.queue.rabbitmq.surplusPodTimeoutSeconds)"
        ),
        message=(
            "surplusPodTimeoutSeconds must not be set with worker, which ends by itself when"
            " the queue is drained; remove it"
        ),
        field_path=".queue.rabbitmq.surplusPodTimeoutSeconds",
        reason=RuleReason.FORBIDDEN,
    ),
    Rule(
        rule=(
            "has(self.worker) || !has(self.queue.rabbitmq)"
            " || !has(self.queue.rabbitmq.consumerTimeoutSeconds)"
        ),
        message=(
            "consumerTimeoutSeconds needs worker, which renews items in time; set worker, or"
            " remove consumerTimeoutSeconds"
        ),
        field_path=".queue.rabbitmq.consumerTimeoutSeconds",
        reason=RuleReason.FORBIDDEN,
    ),
    Rule(
        rule=(
            "!has(self.worker) || !has(self.queue.redis) || !has(self.queue.redis.list)"
            " || !has(self.queue.redis.list.processingKey)"
        ),
        message=(
            "processingKey must not be set with worker, which knows what is in flight; remove it"
        ),
        field_path=".queue.redis.list.processingKey",
        reason=RuleReason.FORBIDDEN,
    ),
)
