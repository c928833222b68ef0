"""The variables by which pods find a Kafka topic. Pure; secrets stay references."""

from workqueuejob.api import KafkaQueue
from workqueuejob.brokers.kafka.settings import KafkaSource
from workqueuejob.brokers.positions import TopicSpan
from workqueuejob.brokers.sides import Variable
from workqueuejob.brokers.variables import from_login, plain
from workqueuejob.contract.settings import CONSUMER_GROUP, QUEUE

BOOTSTRAP_SERVERS = "BOOTSTRAP_SERVERS"


def build_variables(queue: KafkaQueue) -> list[Variable]:
    """Return servers, topic, group and login, each in a variable: Kafka's clients know no URL."""
    return [
        *refer_to_login(queue),
        plain(BOOTSTRAP_SERVERS, ",".join(queue.bootstrap_servers)),
        plain(QUEUE, queue.topic),
        plain(CONSUMER_GROUP, queue.consumer_group),
    ]


def refer_to_login(queue: KafkaQueue) -> list[Variable]:
    """Return the variables of user name and password; none without a login."""
    if queue.sasl is None:
        return []
    return from_login(queue.sasl.credentials_secret_ref, username=queue.sasl.username)


def build_source(queue: KafkaQueue, span: TopicSpan | None) -> KafkaSource:
    """Return the topic as our worker's settings name it, with the offsets that a run works on."""
    ends = span.ends if span else None
    return KafkaSource(
        bootstrap_servers=queue.bootstrap_servers,
        topic=queue.topic,
        consumer_group=queue.consumer_group,
        start_from=str(queue.start_from),
        starts=span.starts.write() if span else None,
        targets=ends.write() if ends else None,
        sasl_mechanism=None if queue.sasl is None else str(queue.sasl.mechanism),
    )
