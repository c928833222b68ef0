"""The queue of a run: one member for each broker. Everything else here follows from the members."""

from typing import ClassVar, cast, get_args

from workqueuejob.api.base import Model, Rule, RuleReason
from workqueuejob.api.broker_queue import BrokerQueue
from workqueuejob.api.kafka import KafkaQueue
from workqueuejob.api.rabbitmq import RabbitMQQueue
from workqueuejob.api.redis import RedisQueue


class QueueSource(Model):
    """The queue that holds the items. It has one member for each kind of broker, and exactly one of
    them is set."""

    rules: ClassVar[tuple[Rule, ...]]

    rabbitmq: RabbitMQQueue | None = None
    """A RabbitMQ queue. The fields that name it (queue and vhost) are immutable. The fields that
    say how to reach it (host, credentials, TLS) may change during a run."""

    redis: RedisQueue | None = None
    """A Redis list or stream. The fields that name it (key, consumer group, database) are
    immutable. The fields that say how to reach it (host, credentials, TLS) may change during a
    run."""

    kafka: KafkaQueue | None = None
    """A Kafka topic that a consumer group reads. It needs mode Fine. The fields topic,
    consumerGroup and startFrom are immutable. The fields that say how to reach the brokers
    (bootstrapServers, SASL, TLS) may change during a run."""

    @property
    def broker(self) -> str | None:
        """The name of the member that is set; None if it is one that is not known here."""
        return next((name for name in MEMBERS if getattr(self, name) is not None), None)

    @property
    def source(self) -> BrokerQueue | None:
        """The member that is set; None if it is one that is not known here."""
        member: BrokerQueue | None = getattr(self, self.broker) if self.broker else None
        return member


def _find_member(name: str) -> type[BrokerQueue]:
    member, _none = get_args(QueueSource.model_fields[name].annotation)
    return cast("type[BrokerQueue]", member)


MEMBERS = {name: _find_member(name) for name in QueueSource.model_fields}
"""The model of each broker, by the name of its member."""

_HAS = [f"has(self.{name})" for name in MEMBERS]
_UNCHANGED = [f"has(self.{name}) == has(oldSelf.{name})" for name in MEMBERS]
CHOICES = f"{', '.join([*MEMBERS][:-1])} or {[*MEMBERS][-1]}"
"""The members, as messages list them: `rabbitmq, redis or kafka`."""

QueueSource.rules = (
    Rule(
        rule=f"[{', '.join(_HAS)}].filter(member, member).size() == 1",
        message=f"spec.queue must have exactly one member; set {CHOICES}",
        reason=RuleReason.REQUIRED,
    ),
    Rule(
        rule=" && ".join(_UNCHANGED),
        message=(
            "the kind of spec.queue is immutable; create another WorkQueueJob for another broker"
        ),
        reason=RuleReason.FORBIDDEN,
    ),
)


def _is_dead_letter_of(name: str) -> str:
    """Return what is true if the queue's member has that name: `has` wants each step by itself."""
    steps = name.split(".")
    parents = [f"has(self.queue.{'.'.join(steps[:n])})" for n in range(1, len(steps))]
    return f"({' && '.join(parents)} && self.queue.{name} == self.retry.deadLetter.name)"


_NAMES = [f"{name}.{field}" for name, member in MEMBERS.items() for field in member.name_fields]

DEAD_LETTER_ELSEWHERE = Rule(
    rule=(
        "!has(self.retry) || !has(self.retry.deadLetter)"
        f" || !({' || '.join(map(_is_dead_letter_of, _NAMES))})"
    ),
    message=(
        "retry.deadLetter.name must not be the queue that the items come from; name another one"
    ),
    field_path=".retry.deadLetter.name",
)
"""A rule over the spec."""

BROKER_RULES = tuple(rule for member in MEMBERS.values() for rule in member.spec_rules)
"""What each broker demands of the spec as a whole."""
