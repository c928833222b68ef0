"""What a user may write of our worker, of retries and of giving up, and what not."""

from .manifests import Manifest, kafka, rabbitmq, redis, spec, warm, worked

CONTAINERS = "spec.template.spec.containers"
QUEUE = "spec.queue.rabbitmq"
DEAD = {"deadLetter": {"name": "job1.dead"}}
STREAM = {"stream": {"key": "job3", "consumerGroup": "workers"}}


def containers(*commands: list[str] | None) -> Manifest:
    """Return a template with the containers c0, c1 and so on."""
    named: list[Manifest] = [
        {"name": f"c{n}", "image": "busybox", **({} if command is None else {"command": command})}
        for n, command in enumerate(commands)
    ]
    return {"spec": {"containers": named}}


def injected(name: str) -> Manifest:
    return {"source": "Injected", "containerName": name}


def image() -> Manifest:
    return {"source": "Image"}


def delivered(**changes: object) -> Manifest:
    return worked(worker={"delivery": changes})


def limited(limit: object, **changes: object) -> Manifest:
    return worked(failurePolicy={"maxDeadLettered": limit, **changes})


MANAGED = rabbitmq(management={"url": "http://mq:15672"})
MIN_PARALLELISM = "spec.autoscale.minParallelism"

ACCEPTED_WORKERS: list[tuple[str, Manifest]] = [
    ("our worker at RabbitMQ", worked()),
    ("a file for the envelope", delivered(type="File", envelopeFile=True)),
    ("our worker at a list", worked(redis())),
    ("our worker at a stream", worked(redis(STREAM))),
    ("our worker in Fine pods", worked(mode="Fine")),
    ("our worker with several items per pod", worked(itemsPerPod=10)),
    ("our worker in its image, without command", worked(worker=image(), template=containers(None))),
    ("the container's name where there is one", worked(worker={"containerName": "worker"})),
    (
        "the second of two containers, the other without command",
        worked(worker=injected("c1"), template=containers(None, ["wc"])),
    ),
    (
        "one of two containers with an image that brings the worker",
        worked(worker=image() | {"containerName": "c0"}, template=containers(None, None)),
    ),
    ("restartPolicy Never, spelt out", worked(template={"spec": {"restartPolicy": "Never"}})),
    ("the item as an argument", delivered(type="Argument")),
    ("the item in a variable of its own", delivered(type="Environment", variable="_Line2")),
    ("the item in the usual variable", delivered(type="Environment")),
    ("the item in a file", delivered(type="File")),
    ("a limit on each attempt", worked(worker={"itemTimeoutSeconds": 1})),
    ("as many items at once as a pod settles", worked(itemsPerPod=8, worker={"concurrency": 8})),
    ("a command that learns of a stop at once", worked(worker={"stopSignal": "AtOnce"})),
    ("a command that learns of a stop at the end", worked(worker={"stopSignal": "AtEndOfGrace"})),
    ("one item at once, spelt out", worked(worker={"concurrency": 1})),
    ("many items at once in mode Fine", worked(mode="Fine", worker={"concurrency": 256})),
    ("items that are dropped", worked(retry={"onExhausted": "Discard", "deadLetter": None})),
    ("attempts that may be lost often", worked(retry={"maxLostAttempts": 100})),
    ("exit codes that are final", worked(retry={"permanentExitCodes": [255, 1, 65, 66]})),
    ("one attempt without delay", worked(retry={"maxAttempts": 1, "initialDelaySeconds": 0})),
    (
        "no delays at all",
        worked(retry={"initialDelaySeconds": 0, "maxDelaySeconds": 0, "maxAttempts": 100}),
    ),
    (
        "delays of a day",
        worked(retry={"initialDelaySeconds": 86_400, "maxDelaySeconds": 86_400}),
    ),
    ("a list's dead letters elsewhere", worked(redis(), retry=DEAD)),
    ("a list's items that are dropped", worked(redis(), retry={"onExhausted": "Discard"})),
    ("a dead-letter queue of 255 bytes", worked(retry={"deadLetter": {"name": "q" * 255}})),
    ("a long dead-letter key", worked(redis(), retry={"deadLetter": {"name": "k" * 512}})),
    ("a number of dead letters", limited(5)),
    ("no dead letter at all", limited(0)),
    ("a percentage of dead letters", limited("5%", minSettledItems=0)),
    ("every percentage up to 100", limited("100%")),
    ("a shorter consumer timeout", worked(rabbitmq(consumerTimeoutSeconds=600), retry=DEAD)),
    ("pods that wait at a list", warm(redis())),
    ("pods that wait at RabbitMQ", warm(MANAGED, retry=DEAD)),
    ("as many that wait as there may be", warm(redis(), 4)),
    ("pods that wait for a run that is wound down", warm(redis(), runPolicy="UntilDrained")),
    ("pods that wait for a run scaled to zero", warm(redis(), parallelism=0)),
    (
        "no pods that wait",
        spec(autoscale={"minParallelism": 0, "itemsPerWorker": 1}),
    ),
]

REFUSED_WORKERS: list[tuple[str, Manifest, str, str]] = [
    (
        "pods that wait in mode Coarse",
        warm(redis(), mode="Coarse"),
        MIN_PARALLELISM,
        "minParallelism needs mode Fine",
    ),
    (
        "pods that wait without worker",
        warm(redis(), worker=None),
        MIN_PARALLELISM,
        "minParallelism needs worker",
    ),
    (
        "pods that wait, unseen by the broker",
        warm(),
        MIN_PARALLELISM,
        "minParallelism needs spec.queue.rabbitmq.management",
    ),
    (
        "pods that wait at a topic",
        warm(kafka()),
        MIN_PARALLELISM,
        "not offered at Kafka",
    ),
    (
        "more pods that wait than there may be",
        warm(redis(), 5),
        MIN_PARALLELISM,
        "minParallelism must be at most parallelism",
    ),
    (
        "less than no pods that wait",
        warm(redis(), -1, parallelism=0),
        MIN_PARALLELISM,
        "equal to 0",
    ),
    (
        "no pods that wait, and nothing else",
        warm(redis(), 0),
        "spec.autoscale",
        "set itemsPerWorker, finishWithinSeconds or minParallelism",
    ),
    ("a worker from nowhere", worked(worker={"source": None}), "spec.worker.source", "Required"),
    (
        "a worker from somewhere",
        worked(worker={"source": "Sidecar"}),
        "spec.worker.source",
        '"Injected", "Image"',
    ),
    (
        "a container without command",
        worked(template=containers(None)),
        CONTAINERS,
        "needs a command",
    ),
    ("a container with an empty command", worked(template=containers([])), CONTAINERS, "set comm"),
    (
        "one of two containers, the one without command",
        worked(worker=injected("c0"), template=containers(None, ["wc"])),
        CONTAINERS,
        "needs a command",
    ),
    (
        "one of several containers",
        worked(template=containers(["wc"], ["wc"])),
        "spec.worker.containerName",
        "name the one",
    ),
    (
        "a container beside the worker's",
        worked(containerName="worker"),
        "spec.containerName",
        "worker.containerName",
    ),
    (
        "a container that is not there",
        worked(worker=injected("worker"), template=containers(["wc"])),
        "spec.worker.containerName",
        "must be the name of one of template.spec.containers",
    ),
    (
        "a container that is started again",
        worked(template={"spec": {"restartPolicy": "OnFailure"}}),
        "spec.template.spec.restartPolicy",
        "remove restartPolicy",
    ),
    (
        "surplus pods of our worker",
        worked(rabbitmq(surplusPodTimeoutSeconds=60), retry=DEAD),
        f"{QUEUE}.surplusPodTimeoutSeconds",
        "must not be set with worker",
    ),
    (
        "a consumer timeout without worker",
        rabbitmq(consumerTimeoutSeconds=600),
        f"{QUEUE}.consumerTimeoutSeconds",
        "needs worker",
    ),
    (
        "a consumer timeout that nobody can keep",
        worked(rabbitmq(consumerTimeoutSeconds=9), retry=DEAD),
        f"{QUEUE}.consumerTimeoutSeconds",
        "equal to 10",
    ),
    (
        "a processing list of our worker",
        worked(redis({"list": {"key": "job2", "processingKey": "doing"}})),
        "spec.queue.redis.list.processingKey",
        "must not be set with worker",
    ),
    (
        "a file for the envelope that is no boolean",
        delivered(envelopeFile="/tmp/envelope"),  # noqa: S108 - it is refused
        "spec.worker.delivery.envelopeFile",
        "boolean",
    ),
    (
        "an item delivered by hand",
        delivered(type="Hand"),
        "spec.worker.delivery.type",
        '"Stdin", "Argument", "Environment", "File"',
    ),
    (
        "a variable for an item on stdin",
        delivered(variable="LINE"),
        "spec.worker.delivery.variable",
        "set type to Environment",
    ),
    (
        "a variable for an item in a file",
        delivered(type="File", variable="PATH_OF_ITEM"),
        "spec.worker.delivery.variable",
        "set type to Environment",
    ),
    (
        "a variable's name with a dash",
        delivered(type="Environment", variable="MY-ITEM"),
        "spec.worker.delivery.variable",
        "should match",
    ),
    (
        "no time for an attempt",
        worked(worker={"itemTimeoutSeconds": 0}),
        "spec.worker.itemTimeoutSeconds",
        "equal to 1",
    ),
    (
        "no item at once",
        worked(worker={"concurrency": 0}),
        "spec.worker.concurrency",
        "equal to 1",
    ),
    (
        "too many items at once",
        worked(mode="Fine", worker={"concurrency": 257}),
        "spec.worker.concurrency",
        "equal to 256",
    ),
    (
        "more items at once than a pod settles",
        worked(itemsPerPod=7, worker={"concurrency": 8}),
        "spec.worker.concurrency",
        "raise itemsPerPod, or use mode Fine",
    ),
    (
        "several items at once where a pod settles one",
        worked(worker={"concurrency": 2}),
        "spec.worker.concurrency",
        "at most itemsPerPod (1 if unset)",
    ),
    ("items per pod in mode Fine", spec(mode="Fine", itemsPerPod=1), "spec.itemsPerPod", "Coarse"),
    ("retries without worker", spec(retry=DEAD), "spec.retry", "retry needs worker"),
    (
        "a limit without worker",
        spec(failurePolicy={"maxDeadLettered": 1}),
        "spec.failurePolicy",
        "failurePolicy needs worker",
    ),
    (
        "RabbitMQ's items that vanish unasked",
        worked(retry=None),
        "spec.retry",
        "set retry.deadLetter.name to a queue that exists",
    ),
    (
        "retries that don't say where items go",
        worked(retry={"deadLetter": None, "maxAttempts": 5}),
        "spec.retry",
        "or retry.onExhausted to Discard",
    ),
    (
        "dead letters that are dropped",
        worked(retry={"onExhausted": "Discard"}),
        "spec.retry.deadLetter",
        "remove one of the two",
    ),
    (
        "items that are forgotten",
        worked(retry={"onExhausted": "Forget"}),
        "spec.retry.onExhausted",
        '"DeadLetter", "Discard"',
    ),
    (
        "a dead-letter target without name",
        worked(retry={"deadLetter": {"name": None}}),
        "spec.retry.deadLetter.name",
        "Required",
    ),
    (
        "RabbitMQ's queue as its own dead-letter queue",
        worked(retry={"deadLetter": {"name": "job1"}}),
        "spec.retry.deadLetter.name",
        "name another one",
    ),
    (
        "a list as its own dead-letter list",
        worked(redis(), retry={"deadLetter": {"name": "job2"}}),
        "spec.retry.deadLetter.name",
        "name another one",
    ),
    (
        "a stream as its own dead-letter stream",
        worked(redis(STREAM), retry={"deadLetter": {"name": "job3"}}),
        "spec.retry.deadLetter.name",
        "name another one",
    ),
    (
        "a dead-letter queue of 256 bytes",
        worked(retry={"deadLetter": {"name": "é" * 128}}),
        "spec.retry.deadLetter.name",
        "255 bytes",
    ),
    ("no attempt", worked(retry={"maxAttempts": 0}), "spec.retry.maxAttempts", "equal to 1"),
    ("101 attempts", worked(retry={"maxAttempts": 101}), "spec.retry.maxAttempts", "equal to 100"),
    (
        "a stop of which no command learns",
        worked(worker={"stopSignal": "Never"}),
        "spec.worker.stopSignal",
        "AtEndOfGrace",
    ),
    (
        "no exit code",
        worked(retry={"permanentExitCodes": []}),
        "spec.retry.permanentExitCodes",
        "at least 1 item",
    ),
    (
        "an exit code that is success",
        worked(retry={"permanentExitCodes": [3, 0]}),
        "spec.retry.permanentExitCodes",
        "remove 0",
    ),
    (
        "an exit code below 0",
        worked(retry={"permanentExitCodes": [-9]}),
        "spec.retry.permanentExitCodes[0]",
        "equal to 0",
    ),
    (
        "an exit code that no process has",
        worked(retry={"permanentExitCodes": [256]}),
        "spec.retry.permanentExitCodes[0]",
        "equal to 255",
    ),
    (
        "an exit code twice",
        worked(retry={"permanentExitCodes": [3, 4, 3]}),
        "spec.retry.permanentExitCodes[2]",
        "Duplicate value: 3",
    ),
    *(
        (
            f"an exit code that says {meaning}",
            worked(retry={"permanentExitCodes": [code]}),
            "spec.retry.permanentExitCodes",
            "must not hold 75 (try again), 137 or 143 (killed, stopped)",
        )
        for code, meaning in ((75, "try again"), (137, "killed"), (143, "stopped"))
    ),
    (
        "no attempt that may be lost",
        worked(retry={"maxLostAttempts": 0}),
        "spec.retry.maxLostAttempts",
        "equal to 1",
    ),
    (
        "101 attempts that may be lost",
        worked(retry={"maxLostAttempts": 101}),
        "spec.retry.maxLostAttempts",
        "equal to 100",
    ),
    (
        "a negative delay",
        worked(retry={"initialDelaySeconds": -1}),
        "spec.retry.initialDelaySeconds",
        "equal to 0",
    ),
    (
        "a delay of more than a day",
        worked(retry={"maxDelaySeconds": 86_401}),
        "spec.retry.maxDelaySeconds",
        "equal to 86400",
    ),
    (
        "a first delay that is longer than the longest",
        worked(retry={"initialDelaySeconds": 301}),
        "spec.retry.initialDelaySeconds",
        "lower the one or raise the other",
    ),
    (
        "a longest delay that is shorter than the first",
        worked(retry={"maxDelaySeconds": 0}),
        "spec.retry.initialDelaySeconds",
        "1 if unset",
    ),
    (
        "a policy without limit",
        worked(failurePolicy={}),
        "spec.failurePolicy.maxDeadLettered",
        "Required",
    ),
    ("a percentage over 100", limited("101%"), "spec.failurePolicy.maxDeadLettered", "match"),
    ("a limit in words", limited("x"), "spec.failurePolicy.maxDeadLettered", "should match"),
    ("a limit as a string", limited("5"), "spec.failurePolicy.maxDeadLettered", "should match"),
    ("a negative limit", limited(-1), "spec.failurePolicy.maxDeadLettered", "equal to 0"),
    ("a limit past an int32", limited(2**31), "spec.failurePolicy.maxDeadLettered", "2147483647"),
    ("half an item as limit", limited(0.5), "spec.failurePolicy.maxDeadLettered", "integer"),
    (
        "a negative number of settled items",
        limited("5%", minSettledItems=-1),
        "spec.failurePolicy.minSettledItems",
        "equal to 0",
    ),
]

UNKNOWN_TO_WORKERS: list[tuple[str, Manifest, str]] = [
    ("a limit of Kubernetes' Jobs", worked(retry={"backoffLimit": 3}), "spec.retry.backoffLimit"),
    (
        "a command that is the container's",
        worked(worker={"command": ["wc"]}),
        "spec.worker.command",
    ),
]
