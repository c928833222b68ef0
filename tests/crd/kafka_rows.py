"""What a user may write of a Kafka topic, and what not."""

from typing import Any

from .manifests import Manifest, kafka, merged, rabbitmq, redis, spec, worked

KAFKA = "spec.queue.kafka"
LOGIN = {"credentialsSecretRef": {"name": "kafka"}}
SERVERS = f"{KAFKA}.bootstrapServers"


def following(**changes: Any) -> Manifest:
    return merged(kafka(**changes), spec(runPolicy="Continuous"))


def worked_on(**retry: object) -> Manifest:
    return worked(kafka(), retry=retry)


def letters(name: str) -> Manifest:
    return worked_on(deadLetter={"name": name})


ACCEPTED_KAFKA: list[tuple[str, Manifest]] = [
    ("a topic", kafka()),
    ("a topic of every character", kafka(topic="a.B_c-9")),
    ("a topic of three dots", kafka(topic="...")),
    ("the longest topic", kafka(topic="t" * 249, consumerGroup="g" * 249)),
    ("a group with spaces and accents", kafka(consumerGroup="crème brûlée / 1")),
    ("several brokers", kafka(bootstrapServers=["k-0.k:9092", "k-1.k.ns.svc:1", "10.0.0.7:65535"])),
    ("a topic from its start, spelt out", kafka(startFrom="Earliest")),
    ("a topic from now on", following(startFrom="Latest")),
    ("a topic without end", following()),
    ("a login at Kafka", kafka(sasl=LOGIN)),
    ("Kafka's user beside the Secret", kafka(sasl=LOGIN | {"username": "billing"})),
    ("SCRAM", kafka(sasl=LOGIN | {"mechanism": "SCRAM-SHA-256"})),
    ("SCRAM with TLS", kafka(sasl=LOGIN | {"mechanism": "SCRAM-SHA-512"}, tls={})),
    ("Kafka with a CA", kafka(tls={"caSecretRef": {"name": "ca"}})),
    ("Kafka with a client certificate", kafka(tls={"clientCertificateSecretRef": {"name": "c"}})),
    ("Kafka without verification", kafka(tls={"verification": "None"})),
    ("our worker at a topic", letters("orders.dead")),
    ("records that are dropped", worked_on(onExhausted="Discard")),
    ("a long dead-letter topic", letters("d" * 249)),
]

REFUSED_KAFKA: list[tuple[str, Manifest, str, str]] = [
    (
        "a topic and a queue",
        merged(kafka(), rabbitmq(host="mq", queue="job1")),
        "spec.queue",
        "exactly one member",
    ),
    (
        "a topic and a list",
        merged(redis(), kafka()),
        "spec.queue",
        "set rabbitmq, redis or kafka",
    ),
    ("a topic item by item", merged(kafka(), spec(mode="Coarse")), "spec.mode", "set mode: Fine"),
    ("a topic in no mode", merged(kafka(), spec(mode=None)), "spec.mode", "set mode: Fine"),
    (
        "so many records a pod",
        merged(kafka(), spec(itemsPerPod=10)),
        "spec.itemsPerPod",
        "must not be set in mode Fine",
    ),
    (
        "the drained end of a topic",
        kafka(startFrom="Latest"),
        f"{KAFKA}.startFrom",
        "use Earliest, or runPolicy: Continuous",
    ),
    ("the middle of a topic", kafka(startFrom="Middle"), f"{KAFKA}.startFrom", '"Earliest"'),
    ("no brokers", kafka(bootstrapServers=None), SERVERS, "Required"),
    ("none of the brokers", kafka(bootstrapServers=[]), SERVERS, "at least 1"),
    (
        "more brokers than need be named",
        kafka(bootstrapServers=[f"k-{n}:9092" for n in range(17)]),
        SERVERS,
        "at most 16",
    ),
    (
        "brokers in one text",
        kafka(bootstrapServers="kafka:9092,other:9092"),
        SERVERS,
        "must be of type array",
    ),
    ("a broker without port", kafka(bootstrapServers=["kafka"]), SERVERS, "add the port"),
    (
        "a broker as a URI",
        kafka(bootstrapServers=["kafka:9092", "kafka://kafka:9092"]),
        SERVERS,
        "remove scheme, user and path",
    ),
    (
        "a broker's port that there is not",
        kafka(bootstrapServers=["kafka:65536"]),
        f"{SERVERS}[0]",
        "should match",
    ),
    ("no topic", kafka(topic=None), f"{KAFKA}.topic", "Required"),
    ("an empty topic", kafka(topic=""), f"{KAFKA}.topic", "at least 1"),
    ("a topic with a slash", kafka(topic="a/b"), f"{KAFKA}.topic", "should match"),
    ("a topic of umlauts", kafka(topic="aufträge"), f"{KAFKA}.topic", "should match"),
    ("a topic up the path", kafka(topic=".."), f"{KAFKA}.topic", "should match"),
    ("a topic that is too long", kafka(topic="t" * 250), f"{KAFKA}.topic", "249"),
    ("no group", kafka(consumerGroup=None), f"{KAFKA}.consumerGroup", "Required"),
    ("an empty group", kafka(consumerGroup=""), f"{KAFKA}.consumerGroup", "at least 1"),
    ("a login without Secret", kafka(sasl={}), f"{KAFKA}.sasl.credentialsSecretRef", "Required"),
    (
        "a login by nothing",
        kafka(sasl=LOGIN | {"mechanism": None}),
        f"{KAFKA}.sasl.mechanism",
        "Required",
    ),
    (
        "a login by Kerberos",
        kafka(sasl=LOGIN | {"mechanism": "GSSAPI"}),
        f"{KAFKA}.sasl.mechanism",
        '"SCRAM-SHA-512"',
    ),
    (
        "one name for many brokers",
        kafka(tls={"serverName": "kafka.prod"}),
        f"{KAFKA}.tls.serverName",
        "verified by the name that it gives itself",
    ),
    ("our worker without a word on retries", worked(kafka()), "spec.retry", "to a topic that"),
    (
        "a topic's own dead letters",
        letters("orders"),
        "spec.retry.deadLetter.name",
        "must not be the queue that the items come from",
    ),
    (
        "a dead-letter topic with a slash",
        letters("orders/dead"),
        "spec.retry.deadLetter.name",
        "must be the name of a topic",
    ),
    (
        "a dead-letter topic of 250",
        letters("d" * 250),
        "spec.retry.deadLetter.name",
        "must be the name of a topic",
    ),
]

UNKNOWN_TO_KAFKA: list[tuple[str, Manifest, str]] = [
    ("a host of Kafka", kafka(host="kafka"), f"{KAFKA}.host"),
    ("a URI of Kafka", kafka(uriSecretRef={"name": "kafka"}), f"{KAFKA}.uriSecretRef"),
    (
        "credentials beside sasl",
        kafka(credentialsSecretRef={"name": "kafka"}),
        f"{KAFKA}.credentialsSecretRef",
    ),
]
