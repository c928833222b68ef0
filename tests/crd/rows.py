"""What a user may write, and what not: changes to a valid object, the field, the words."""

from .kafka_rows import ACCEPTED_KAFKA, REFUSED_KAFKA, UNKNOWN_TO_KAFKA
from .manifests import Manifest, rabbitmq, spec
from .redis_rows import ACCEPTED_REDIS, REFUSED_REDIS, UNKNOWN_TO_REDIS
from .worker_rows import ACCEPTED_WORKERS, REFUSED_WORKERS, UNKNOWN_TO_WORKERS

RABBITMQ = "spec.queue.rabbitmq"
URI = {"host": None, "uriSecretRef": {"name": "mq"}}
CLIENT_CERTIFICATE = {"tls": {"clientCertificateSecretRef": {"name": "client"}}}
NO_CONTAINERS: list[Manifest] = []


def labels(*path: str, **values: str) -> Manifest:
    patch: Manifest = {"labels": {key.replace("__", "/"): value for key, value in values.items()}}
    for key in reversed(path):
        patch = {key: patch}
    return spec(**patch)


def failing(**rule: object) -> Manifest:
    return spec(podFailurePolicy={"rules": [{"action": "FailJob", **rule}]})


def on_exit_codes(*values: int, **changes: object) -> Manifest:
    return failing(onExitCodes={"operator": "In", "values": list(values), **changes})


ON_CONDITION = {"onPodConditions": [{"type": "ConfigIssue", "status": "True"}]}
POLICY = "spec.podFailurePolicy"


def template(**changes: object) -> Manifest:
    return spec(template={"spec": changes})


ACCEPTED: list[tuple[str, Manifest]] = [
    *ACCEPTED_REDIS,
    *ACCEPTED_KAFKA,
    *ACCEPTED_WORKERS,
    ("the smallest object", {}),
    ("another virtual host and port", rabbitmq(vhost="prod", port=5673)),
    ("a queue with spaces and accents", rabbitmq(queue="crème brûlée / 1")),
    ("a queue of 255 bytes", rabbitmq(queue="q" * 255)),
    ("a broker in another namespace", rabbitmq(host="mq.brokers.svc.cluster.local")),
    ("an IPv4 address", rabbitmq(host="10.0.0.7")),
    ("an IPv6 address", rabbitmq(host="fd00::7")),
    ("a URI from a Secret", rabbitmq(**URI)),
    ("a URI under another key", rabbitmq(host=None, uriSecretRef={"name": "a", "key": "URL"})),
    ("a URI with a CA", rabbitmq(**URI, tls={"caSecretRef": {"name": "ca"}})),
    (
        "credentials under other keys",
        rabbitmq(credentialsSecretRef={"name": "a", "usernameKey": "u"}),
    ),
    ("TLS with the system's roots", rabbitmq(tls={})),
    ("TLS without verification", rabbitmq(tls={"verification": "None", "serverName": "mq"})),
    ("EXTERNAL with a certificate", rabbitmq(authMechanism="EXTERNAL", **CLIENT_CERTIFICATE)),
    ("EXTERNAL with a URI", rabbitmq(**URI, authMechanism="EXTERNAL", **CLIENT_CERTIFICATE)),
    ("the management API", rabbitmq(management={"url": "https://mq:15671"})),
    ("the management API behind a path", rabbitmq(management={"url": "http://a.b/rabbit/mq"})),
    ("the management API on IPv6", rabbitmq(management={"url": "http://[fd00::7]:15672"})),
    ("the management API without TLS", rabbitmq(management={"url": "http://mq:15672"})),
    ("both with TLS", rabbitmq(tls={}, management={"url": "https://mq:15671"})),
    (
        "a user name beside a password's Secret",
        rabbitmq(username="user", credentialsSecretRef={"name": "a", "passwordKey": "p"}),
    ),
    ("the container that finds its queue", spec(containerName="worker")),
    ("a timeout for surplus pods", rabbitmq(surplusPodTimeoutSeconds=1)),
    ("several items per pod", spec(itemsPerPod=100)),
    ("pods that work until the queue is drained", spec(mode="Fine")),
    ("waiting for the first item", spec(emptyStart="Wait", drainedAfterSeconds=0)),
    ("a run without end", spec(runPolicy="Continuous")),
    ("no history", spec(successfulJobsHistoryLimit=0, failedJobsHistoryLimit=0)),
    ("limits in time", spec(activeDeadlineSeconds=1, ttlSecondsAfterFinished=0)),
    ("so many items a pod", spec(autoscale={"itemsPerWorker": 10})),
    ("pods by time", spec(parallelism=8, autoscale={"finishWithinSeconds": 3600})),
    ("no pods for now", spec(parallelism=0, suspend=True)),
    ("the most pods", spec(parallelism=10_000, backoffLimit=0)),
    ("Kueue's label", labels("jobMetadata", **{"kueue.x-k8s.io__queue-name": "team-a"})),
    ("pod labels of our name elsewhere", labels("template", "metadata", **{"my.wqj.dev__x": "y"})),
    ("a restart policy of the documents", template(restartPolicy="OnFailure")),
    ("a pod field of the future", template(fromTheFuture={"deep": [{"er": 1}]})),
    ("a failure that ends the run", on_exit_codes(3, 42, containerName="worker")),
    ("a condition that ends the run", failing(**ON_CONDITION)),
    ("a name of 40", {"metadata": {"name": "a" * 40}}),
    ("a name that begins with a digit", {"metadata": {"name": "2026-fruits"}}),
]

REFUSED: list[tuple[str, Manifest, str, str]] = [
    *REFUSED_REDIS,
    *REFUSED_KAFKA,
    *REFUSED_WORKERS,
    (
        "a policy for pods that don't fail",
        {
            "spec": {
                **failing(**ON_CONDITION)["spec"],
                **template(restartPolicy="OnFailure")["spec"],
            }
        },
        POLICY,
        "needs restartPolicy Never",
    ),
    ("a rule for no failure", failing(), f"{POLICY}.rules[0]", "exactly one of onExitCodes"),
    (
        "a rule for two",
        failing(**ON_CONDITION, onExitCodes={"operator": "In", "values": [1]}),
        f"{POLICY}.rules[0]",
        "exactly one of onExitCodes",
    ),
    (
        "success as a failure",
        on_exit_codes(0, 1),
        f"{POLICY}.rules[0].onExitCodes.values",
        "remove 0",
    ),
    (
        "exit codes in disorder",
        on_exit_codes(2, 1),
        f"{POLICY}.rules[0].onExitCodes.values",
        "sort them",
    ),
    (
        "an exit code twice",
        on_exit_codes(1, 1),
        f"{POLICY}.rules[0].onExitCodes.values[1]",
        "Duplicate",
    ),
    (
        "an unknown action",
        failing(action="Retry", **ON_CONDITION),
        f"{POLICY}.rules[0].action",
        "FailIndex",
    ),
    ("no queue", spec(queue=None), "spec.queue", "Required"),
    ("a queue of no kind", {"spec": {"queue": {"rabbitmq": None}}}, "spec.queue", "set rabbitmq"),
    (
        "two queues",
        {"spec": {"queue": {"redis": {"host": "redis", "list": {"key": "job2"}}}}},
        "spec.queue",
        "exactly one member",
    ),
    ("host and URI", rabbitmq(uriSecretRef={"name": "a"}), RABBITMQ, "exactly one of host and"),
    ("neither host nor URI", rabbitmq(host=None), RABBITMQ, "exactly one of host and uriSecretRef"),
    ("a port beside a URI", rabbitmq(**URI, port=5672), f"{RABBITMQ}.port", "into the URI"),
    ("a vhost beside a URI", rabbitmq(**URI, vhost="a"), f"{RABBITMQ}.vhost", "into the URI"),
    (
        "credentials beside a URI",
        rabbitmq(**URI, credentialsSecretRef={"name": "a"}),
        f"{RABBITMQ}.credentialsSecretRef",
        "into the URI",
    ),
    (
        "EXTERNAL without TLS",
        rabbitmq(authMechanism="EXTERNAL"),
        f"{RABBITMQ}.authMechanism",
        "set tls.clientCertificateSecretRef",
    ),
    (
        "EXTERNAL without a certificate",
        rabbitmq(authMechanism="EXTERNAL", tls={}),
        f"{RABBITMQ}.authMechanism",
        "set tls.clientCertificateSecretRef",
    ),
    (
        "an unknown mechanism",
        rabbitmq(authMechanism="AMQPLAIN"),
        f"{RABBITMQ}.authMechanism",
        "PLAIN",
    ),
    ("no queue name", rabbitmq(queue=None), f"{RABBITMQ}.queue", "Required"),
    ("an empty queue name", rabbitmq(queue=""), f"{RABBITMQ}.queue", "at least 1"),
    ("a queue of 256 characters", rabbitmq(queue="q" * 256), f"{RABBITMQ}.queue", "255"),
    ("a queue of 256 bytes", rabbitmq(queue="é" * 128), f"{RABBITMQ}.queue", "255 bytes"),
    ("a virtual host of 256 bytes", rabbitmq(vhost="é" * 128), f"{RABBITMQ}.vhost", "255 bytes"),
    ("an empty virtual host", rabbitmq(vhost=""), f"{RABBITMQ}.vhost", "at least 1"),
    ("an empty host", rabbitmq(host=""), f"{RABBITMQ}.host", "at least 1"),
    ("a URI as host", rabbitmq(host="amqp://mq"), f"{RABBITMQ}.host", "uriSecretRef"),
    ("a host with its port", rabbitmq(host="mq:5672"), f"{RABBITMQ}.host", "into port"),
    ("a host with a user", rabbitmq(host="guest@mq"), f"{RABBITMQ}.host", "uriSecretRef"),
    ("a host with a space", rabbitmq(host="m q"), f"{RABBITMQ}.host", "should match"),
    ("port 0", rabbitmq(port=0), f"{RABBITMQ}.port", "greater than or equal to 1"),
    ("port 65536", rabbitmq(port=65_536), f"{RABBITMQ}.port", "less than or equal to 65535"),
    (
        "credentials in the management API's URL",
        rabbitmq(management={"url": "https://u:p@mq:15671"}),
        f"{RABBITMQ}.management.url",
        "must not hold credentials",
    ),
    (
        "a management API that gets the password unencrypted beside TLS",
        rabbitmq(tls={}, management={"url": "http://mq:15672"}),
        f"{RABBITMQ}.management.url",
        "write https",
    ),
    (
        "a user name without a password",
        rabbitmq(username="user"),
        f"{RABBITMQ}.username",
        "without credentialsSecretRef",
    ),
    (
        "a user name beside the URI",
        rabbitmq(**URI, username="user"),
        f"{RABBITMQ}.username",
        "without credentialsSecretRef",
    ),
    ("an empty user name", rabbitmq(username=""), f"{RABBITMQ}.username", "at least 1"),
    (
        "a container that is not there, without worker",
        spec(containerName="sidecar"),
        "spec.containerName",
        "must be the name of one of template.spec.containers",
    ),
    (
        "a management API without scheme",
        rabbitmq(management={"url": "mq:15672/api"}),
        f"{RABBITMQ}.management.url",
        "should match",
    ),
    (
        "a management API with a query",
        rabbitmq(management={"url": "http://mq:15672/?a=b"}),
        f"{RABBITMQ}.management.url",
        "should match",
    ),
    (
        "a management API of nothing",
        rabbitmq(management={}),
        f"{RABBITMQ}.management.url",
        "Required",
    ),
    (
        "ending surplus pods at once",
        rabbitmq(surplusPodTimeoutSeconds=0),
        f"{RABBITMQ}.surplusPodTimeoutSeconds",
        "greater than or equal to 1",
    ),
    (
        "some verification",
        rabbitmq(tls={"verification": "Partial"}),
        f"{RABBITMQ}.tls.verification",
        '"Full", "None"',
    ),
    (
        "a Secret without name",
        rabbitmq(credentialsSecretRef={}),
        f"{RABBITMQ}.credentialsSecretRef.name",
        "Required",
    ),
    (
        "a Secret's name in capitals",
        rabbitmq(credentialsSecretRef={"name": "RabbitMQ"}),
        f"{RABBITMQ}.credentialsSecretRef.name",
        "should match",
    ),
    (
        "a path as a Secret's key",
        rabbitmq(tls={"caSecretRef": {"name": "ca", "key": "a/b"}}),
        f"{RABBITMQ}.tls.caSecretRef.key",
        "should match",
    ),
    ("an unknown mode", spec(mode="Medium"), "spec.mode", '"Coarse", "Fine"'),
    (
        "an unknown end",
        spec(runPolicy="Once"),
        "spec.runPolicy",
        '"UntilDrained", "Continuous"',
    ),
    ("an unknown start", spec(emptyStart="Skip"), "spec.emptyStart", '"Complete", "Wait"'),
    (
        "time that runs backwards",
        spec(drainedAfterSeconds=-1),
        "spec.drainedAfterSeconds",
        "equal to 0",
    ),
    ("fewer than no pods", spec(parallelism=-1), "spec.parallelism", "equal to 0"),
    ("more pods than a Job takes", spec(parallelism=10_001), "spec.parallelism", "equal to 10000"),
    (
        "less than no history",
        spec(successfulJobsHistoryLimit=-1),
        "spec.successfulJobsHistoryLimit",
        "equal to 0",
    ),
    ("no time at all", spec(activeDeadlineSeconds=0), "spec.activeDeadlineSeconds", "equal to 1"),
    (
        "a deadline for a run without end",
        spec(runPolicy="Continuous", activeDeadlineSeconds=60),
        "spec.activeDeadlineSeconds",
        "activeDeadlineSeconds must not be set with runPolicy Continuous",
    ),
    (
        "a run without end that goes when it has finished",
        spec(runPolicy="Continuous", ttlSecondsAfterFinished=60),
        "spec.ttlSecondsAfterFinished",
        "remove it, or set runPolicy to UntilDrained",
    ),
    (
        "scaling by nothing",
        spec(autoscale={}),
        "spec.autoscale",
        "set itemsPerWorker, finishWithinSeconds or minParallelism",
    ),
    (
        "no items for a pod",
        spec(autoscale={"itemsPerWorker": 0}),
        "spec.autoscale.itemsPerWorker",
        "equal to 1",
    ),
    ("a negative backoffLimit", spec(backoffLimit=-1), "spec.backoffLimit", "equal to 0"),
    ("no items per pod", spec(itemsPerPod=0), "spec.itemsPerPod", "equal to 1"),
    ("half an item per pod", spec(itemsPerPod=0.5), "spec.itemsPerPod", "int32"),
    ("more than an int32", spec(itemsPerPod=2**31), "spec.itemsPerPod", "2147483647"),
    ("suspend as a word", spec(suspend="yes"), "spec.suspend", "boolean"),
    ("no template", spec(template=None), "spec.template", "Required"),
    ("a template without spec", spec(template={"spec": None}), "spec.template.spec", "Required"),
    (
        "a template without containers",
        template(containers=None),
        "spec.template.spec.containers",
        "Req",
    ),
    (
        "no container",
        template(containers=NO_CONTAINERS),
        "spec.template.spec.containers",
        "at least 1",
    ),
    (
        "a container without name",
        template(containers=[{"image": "a"}]),
        "spec.template.spec.containers[0].name",
        "Required",
    ),
    (
        "two containers of one name",
        template(containers=[{"name": "a"}, {"name": "a"}]),
        "spec.template.spec.containers[1]",
        "Duplicate",
    ),
    (
        "a pod that never ends",
        template(restartPolicy="Always"),
        "spec.template.spec.restartPolicy",
        '"Never"',
    ),
    (
        "our label on pods",
        labels("template", "metadata", **{"wqj.dev__uid": "x"}),
        "spec.template.metadata.labels",
        "rename the label",
    ),
    (
        "our label on Jobs",
        labels("jobMetadata", **{"wqj.dev__wave": "1"}),
        "spec.jobMetadata.labels",
        "rename the label",
    ),
    (
        "a label's value with a space",
        labels("jobMetadata", team="team a"),
        "spec.jobMetadata.labels.team",
        "should match",
    ),
    ("a name of 41", {"metadata": {"name": "a" * 41}}, "metadata.name", "at most 40"),
    ("a name with a dot", {"metadata": {"name": "a.b"}}, "metadata.name", "DNS label"),
]

UNKNOWN: list[tuple[str, Manifest, str]] = [
    *UNKNOWN_TO_REDIS,
    *UNKNOWN_TO_KAFKA,
    *UNKNOWN_TO_WORKERS,
    ("a broker that is none", {"spec": {"queue": {"sqs": {"url": "a"}}}}, "spec.queue.sqs"),
    ("completions, which we choose", spec(completions=8), "spec.completions"),
    (
        "a misspelt field",
        rabbitmq(credentialSecretRef={"name": "a"}),
        f"{RABBITMQ}.credentialSecretRef",
    ),
]
