"""Odd manifests with which nothing is wrong, and some whose pods come to nothing."""

from .odd import (
    CONTAINER,
    POD,
    RABBITMQ,
    REDIS_HOST,
    Accepted,
    by_uri,
    template_invalid,
    with_item,
    with_worker,
)

INT32 = 2**31 - 1

HARMLESS = [
    Accepted(
        "null wherever a Job takes it",
        (
            (f"{CONTAINER}.env", None),
            (f"{CONTAINER}.args", None),
            (f"{CONTAINER}.resources", None),
            (f"{POD}.volumes", None),
            (f"{POD}.initContainers", None),
            (f"{POD}.securityContext", None),
        ),
    ),
    Accepted(
        "null wherever it is taken for nothing",
        (
            ("spec.template.metadata", None),
            (f"{POD}.restartPolicy", None),
            (f"{RABBITMQ}.tls", None),
            ("spec.jobMetadata", {"labels": {"a": None}}),
            ("spec.mode", None),
            ("spec.worker", None),
        ),
    ),
    Accepted("numbers written as floats", (("spec.backoffLimit", 1e3), ("spec.itemsPerPod", 2.0))),
    template_invalid(
        "10,000 variables",
        "at most 262,144 are allowed",
        (f"{CONTAINER}.env", [{"name": f"V{n}", "value": "x"} for n in range(10_000)]),
    ),
    template_invalid(
        "1 MiB of variables",
        "at most 262,144 are allowed",
        (f"{CONTAINER}.env", [{"name": f"V{n}", "value": "x" * 100_000} for n in range(10)]),
    ),
    Accepted(
        "64 containers",
        ((f"{POD}.containers", [{"name": f"c{n}", "image": "a"} for n in range(64)]),),
    ),
    Accepted(
        "a variable twice",
        ((f"{CONTAINER}.env", [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]),),
    ),
    Accepted(
        "variables of our names",
        (
            (
                f"{CONTAINER}.env",
                [
                    {"name": n, "value": "$(BROKER_URL)"}
                    for n in ("BROKER_URL", "QUEUE", "WQJ_BROKER_PASSWORD")
                ],
            ),
        ),
    ),
    Accepted(
        "a worker's settings",
        with_worker((f"{CONTAINER}.env", [{"name": "WQJ_SETTINGS", "value": "{"}])),
    ),
    Accepted(
        "a variable of every character",
        (
            (
                f"{CONTAINER}.env",
                [{"name": "A", "value": "".join(map(chr, range(1, 0x250))) + "🍎$(A)$$(B)\u202e"}],
            ),
        ),
    ),
    Accepted("a NUL in a variable", ((f"{CONTAINER}.env", [{"name": "A", "value": "a\0b"}]),)),
    Accepted("the node's network", ((f"{POD}.hostNetwork", True), (f"{POD}.hostPID", True))),
    Accepted(
        "a privileged container",
        ((f"{CONTAINER}.securityContext", {"privileged": True, "runAsUser": 0}),),
    ),
    Accepted(
        "an item where programs are found",
        with_worker(("spec.worker.delivery", {"type": "Environment", "variable": "PATH"})),
    ),
    Accepted("an annotation of 200 KiB", (("spec.jobMetadata.annotations", {"a": "x" * 200_000}),)),
    Accepted(
        "annotations of ours",
        (("spec.jobMetadata.annotations", {"wqj.dev/template-hash": "stolen"}),),
    ),
    Accepted(
        "the largest numbers",
        (("spec.itemsPerPod", INT32), ("spec.backoffLimit", INT32), ("spec.parallelism", 10_000)),
    ),
    Accepted("no pods and no failures", (("spec.parallelism", 0), ("spec.backoffLimit", 0))),
    Accepted(
        "a limit that a float writes",
        with_worker(("spec.failurePolicy", {"maxDeadLettered": 5.0, "minSettledItems": 0})),
    ),
    Accepted(
        "labels and annotations of one's own",
        (("metadata.labels", {"a" * 63: "b" * 63}), ("metadata.annotations", {"a": "x" * 100_000})),
    ),
    Accepted(
        "suspended for good",
        (("spec.suspend", True), ("spec.parallelism", 0)),
        "Progressing",
        "Suspended",
        ("spec.suspend",),
    ),
    Accepted(
        "a proof of 68 years",
        (("spec.drainedAfterSeconds", INT32),),
        "Progressing",
        "VerifyingDrained",
    ),
    Accepted(
        "a list of odd bytes",
        (("spec.queue", {"redis": {"host": REDIS_HOST, "list": {"key": "{}$$(A)\r\n\0🍎 *"}}}),),
    ),
    Accepted(
        "a stream of odd bytes",
        (
            (
                "spec.queue",
                {"redis": {"host": REDIS_HOST, "stream": {"key": "\0", "consumerGroup": "$(A)\n"}}},
            ),
        ),
        "Complete",
        "QueueEmpty",
    ),
    Accepted(
        "RabbitMQ by a URI of encoded letters",
        by_uri(),
        secret={"uri": b"amqp://%67uest:%67ues%74@{rabbitmq}:5672/%2F\r\n"},
    ),
]

PODS = [
    with_item(
        "a variable of a missing Secret",
        "Progressing",
        "PodsNotStarting",
        '"nowhere" not found',
        (
            f"{CONTAINER}.env",
            [
                {"name": "A", "valueFrom": {"secretKeyRef": {"name": "nowhere", "key": "a"}}},
            ],
        ),
    ),
    with_item(
        "an account that there is not",
        "Progressing",
        "PodsNotStarting",
        "has no pod",
        (f"{POD}.serviceAccountName", "nowhere"),
    ),
    with_item(
        "a priority that there is not",
        "Progressing",
        "PodsNotStarting",
        "has no pod",
        (f"{POD}.priorityClassName", "nowhere"),
    ),
    with_item(
        "a scheduler that there is not",
        "Progressing",
        "PodsNotStarting",
        "scheduler 'nowhere' has not looked",
        (f"{POD}.schedulerName", "nowhere"),
    ),
    with_item(
        "a node that there is not",
        "Progressing",
        "PodsNotStarting",
        "node 'nowhere' has not looked",
        (f"{POD}.nodeName", "nowhere"),
    ),
    with_item(
        "a command that there is not",
        "Failed",
        "BackoffLimitExceeded",
        "spec.backoffLimit 0 allows",
        (f"{CONTAINER}.command", ["/nowhere"]),
        ("spec.backoffLimit", 0),
    ),
    with_item(
        "a failure that ends the run",
        "Failed",
        "PodFailurePolicy",
        "spec.podFailurePolicy says FailJob",
        (f"{CONTAINER}.command", ["/nowhere"]),
        (
            "spec.podFailurePolicy",
            {
                "rules": [
                    {"action": "FailJob", "onExitCodes": {"operator": "NotIn", "values": [255]}}
                ]
            },
        ),
    ),
    with_item(
        "a directory that there can't be",
        "Failed",
        "BackoffLimitExceeded",
        "spec.backoffLimit 0 allows",
        (f"{CONTAINER}.workingDir", "/dev/null/a"),
        ("spec.backoffLimit", 0),
    ),
    with_item(
        "settings of no worker",
        "Failed",
        "BackoffLimitExceeded",
        "spec.backoffLimit 0 allows",
        *with_worker(
            (f"{CONTAINER}.env", [{"name": "WQJ_SETTINGS", "value": "{"}]),
            ("spec.backoffLimit", 0),
        ),
    ),
]
