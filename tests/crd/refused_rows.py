"""Odd manifests that the API server does not take, beside those of `rows`: types and bounds."""

from .odd import CONTAINER, POD, RABBITMQ, REDIS, Refused, refused, with_worker

INT32, INT64 = 2**31 - 1, 2**63 - 1
OBJECT, LIST, INTEGER, STRING = (
    f"must be of type {kind}" for kind in ("object", "array", "int", "string")
)
CONTAINERS = f"{POD}.containers"
FIRST = f"{CONTAINERS}[0]"

TYPES = [
    refused("a spec of text", "spec", "drain it", OBJECT),
    refused("a spec of nothing", "spec", None, "Required"),
    refused("a list as spec", "spec", [], OBJECT),
    refused("an address as queue", "spec.queue", "rabbitmq/job1", OBJECT),
    refused("null as queue", "spec.queue", None, "Required"),
    refused("no list of queues", "spec.queue", [], OBJECT),
    refused("an address as RabbitMQ", RABBITMQ, "amqp://mq", OBJECT),
    refused("a number as queue name", f"{RABBITMQ}.queue", 7, STRING),
    refused("true as queue name", f"{RABBITMQ}.queue", True, STRING),
    refused("null as queue name", f"{RABBITMQ}.queue", None, "Required"),
    refused("a list of hosts", f"{RABBITMQ}.host", ["a", "b"], STRING),
    refused("a port as text", f"{RABBITMQ}.port", "5672", INTEGER),
    refused("a port of half", f"{RABBITMQ}.port", 5672.5, INTEGER),
    refused("true as port", f"{RABBITMQ}.port", True, INTEGER),
    refused("a negative port", f"{RABBITMQ}.port", -1, "greater than or equal to 1"),
    refused("a port past an int64", f"{RABBITMQ}.port", 10**30, INTEGER),
    refused("TLS as true", f"{RABBITMQ}.tls", True, OBJECT),
    refused("TLS as a word", f"{RABBITMQ}.tls", "yes", OBJECT),
    refused("a Secret's name alone", f"{RABBITMQ}.credentialsSecretRef", "rabbitmq", OBJECT),
    refused("a mode as number", "spec.mode", 1, STRING),
    refused("an empty mode", "spec.mode", "", '"Coarse", "Fine"'),
    refused("a mode in small letters", "spec.mode", "coarse", '"Coarse", "Fine"'),
    refused("suspend as text", "spec.suspend", "true", "must be of type boolean"),
    refused("suspend as number", "spec.suspend", 1, "must be of type boolean"),
    refused("parallelism as text", "spec.parallelism", "2", INTEGER),
    refused("parallelism as object", "spec.parallelism", {}, INTEGER),
    refused("parallelism as a float", "spec.parallelism", 2.0, "expected int64"),
    refused("parallelism of an int64", "spec.parallelism", INT64, "equal to 10000"),
    refused("the least int64", "spec.parallelism", -(2**63), "greater than or equal to 0"),
    refused("itemsPerPod past an int32", "spec.itemsPerPod", INT32 + 1, "equal to 2147483647"),
    refused("a float past every integer", "spec.itemsPerPod", 1e300, INTEGER),
    refused("backoffLimit past an int32", "spec.backoffLimit", INT32 + 1, "2147483647"),
    refused("seconds with a unit", "spec.drainedAfterSeconds", "5s", INTEGER),
    refused("seconds of a float", "spec.drainedAfterSeconds", 0.1, INTEGER),
    refused(
        "labels as a list",
        "spec.jobMetadata",
        {"labels": ["a=b"]},
        OBJECT,
        where=("spec.jobMetadata.labels"),
    ),
    refused(
        "a label of true",
        "spec.jobMetadata.labels",
        {"a": True},
        STRING,
        where=("spec.jobMetadata.labels.a"),
    ),
    refused(
        "an annotation as number",
        "spec.jobMetadata.annotations",
        {"a": 1},
        STRING,
        where=("spec.jobMetadata.annotations.a"),
    ),
    refused(
        "65 labels",
        "spec.jobMetadata.labels",
        {f"l{n}": "v" for n in range(65)},
        "at most 64 items",
    ),
    refused(
        "a label of 64 characters",
        "spec.jobMetadata.labels",
        {"a": "x" * 64},
        "63",
        where=("spec.jobMetadata.labels.a"),
    ),
    refused(
        "a label with a new line",
        "spec.jobMetadata.labels",
        {"a": "b\n"},
        "match",
        where=("spec.jobMetadata.labels.a"),
    ),
    refused(
        "an annotation past 256 KiB",
        "spec.jobMetadata.annotations",
        {"a": "x" * 262_145},
        "262144",
        where="spec.jobMetadata.annotations.a",
    ),
    refused("failurePolicy as number", "spec.failurePolicy", 5, OBJECT),
    refused("retry as number", "spec.retry", 3, OBJECT),
    refused("worker as a word", "spec.worker", "Injected", OBJECT),
    refused("a wrong kind of restart", f"{POD}.restartPolicy", 1, STRING),
    refused("an empty restartPolicy", f"{POD}.restartPolicy", "", '"Never"'),
]

TEMPLATES = [
    refused("a template of text", "spec.template", "pod.yaml", OBJECT),
    refused("null as template", "spec.template", None, "Required"),
    refused("an empty template", "spec.template", {}, "Required", where=POD),
    refused("a pod of text", POD, "a pod", OBJECT),
    refused("containers as an object", CONTAINERS, {}, LIST),
    refused("a container of text", CONTAINERS, ["job-wq-1"], OBJECT, where=FIRST),
    refused("a container of null", CONTAINERS, [None], OBJECT, where=FIRST),
    refused("65 containers", CONTAINERS, [{"name": f"c{n}"} for n in range(65)], "at most 64"),
    refused(
        "a container without a letter", f"{CONTAINER}.name", "", "at least 1", where=f"{FIRST}.name"
    ),
    refused("a container's name of 64", f"{CONTAINER}.name", "c" * 64, "63", where=f"{FIRST}.name"),
    refused("a container's name as number", f"{CONTAINER}.name", 1, STRING, where=f"{FIRST}.name"),
    refused(
        "a command as text", f"{CONTAINER}.command", "sh -c true", LIST, where=f"{FIRST}.command"
    ),
    refused(
        "a command of numbers", f"{CONTAINER}.command", [1, 2], STRING, where=f"{FIRST}.command[0]"
    ),
    refused(
        "a command of 1025 words",
        f"{CONTAINER}.command",
        ["a"] * 1025,
        "1024",
        where=f"{FIRST}.command",
    ),
    refused(
        "a word past 128 KiB",
        f"{CONTAINER}.command",
        ["a" * 131_073],
        "131072",
        where=f"{FIRST}.command[0]",
    ),
    refused(
        "our label in capitals' company",
        "spec.template.metadata",
        {"labels": {"a": "b", "wqj.dev/": "c"}},
        "rename the label",
        where="spec.template.metadata.labels",
    ),
]

ADDRESSES = [
    refused("a host with a new line", f"{RABBITMQ}.host", "mq\n", "should match"),
    refused("a host with a NUL", f"{RABBITMQ}.host", "mq\0", "should match"),
    refused("a host of emoji", f"{RABBITMQ}.host", "🦊", "should match"),
    refused("a host of umlauts", f"{RABBITMQ}.host", "bücher.example", "should match"),
    refused("a host with two dots", f"{RABBITMQ}.host", "mq..svc", "should match"),
    refused("a host that is a reference", f"{RABBITMQ}.host", "$(HOST)", "should match"),
    refused("a percent-encoded host", f"{RABBITMQ}.host", "mq%2Fsvc", "should match"),
    refused("IPv6 in brackets", f"{RABBITMQ}.host", "[fd00::7]", "should match"),
    refused("IPv6 with a zone", f"{RABBITMQ}.host", "fe80::1%eth0", "should match"),
    refused("a host of 254", f"{RABBITMQ}.host", "a." * 127, "253"),
    refused("a host of 64 KiB", f"{RABBITMQ}.host", "a" * 65_536, "253"),
    refused("a queue of 1 MiB", f"{RABBITMQ}.queue", "q" * 2**20, "255"),
    refused("a virtual host of 256", f"{RABBITMQ}.vhost", "v" * 256, "255"),
    refused(
        "a management API by ftp",
        f"{RABBITMQ}.management",
        {"url": "ftp://mq/x"},
        "should match",
        where=f"{RABBITMQ}.management.url",
    ),
    refused(
        "a management API on two lines",
        f"{RABBITMQ}.management",
        {"url": "http://mq/\r\nx"},
        "should match",
        where=f"{RABBITMQ}.management.url",
    ),
    refused(
        "a fragment of a management API",
        f"{RABBITMQ}.management",
        {"url": "http://mq/#x"},
        "should match",
        where=f"{RABBITMQ}.management.url",
    ),
    refused(
        "a Secret in another namespace",
        f"{RABBITMQ}.credentialsSecretRef",
        {"name": "kube-system/token"},
        "should match",
        where=f"{RABBITMQ}.credentialsSecretRef.name",
    ),
    refused(
        "a Secret up the path",
        f"{RABBITMQ}.credentialsSecretRef",
        {"name": "../odd"},
        "should match",
        where=f"{RABBITMQ}.credentialsSecretRef.name",
    ),
    refused(
        "a Secret's key on two lines",
        f"{RABBITMQ}.credentialsSecretRef",
        {"name": "odd", "passwordKey": "a\nb"},
        "should match",
        where=f"{RABBITMQ}.credentialsSecretRef.passwordKey",
    ),
    refused(
        "an empty key of a Secret",
        f"{RABBITMQ}.credentialsSecretRef",
        {"name": "odd", "usernameKey": ""},
        "at least 1",
        where=f"{RABBITMQ}.credentialsSecretRef.usernameKey",
    ),
]

REDIS_LIST = {"host": "redis", "list": {"key": "job2"}}

CONTRADICTIONS = [
    refused(
        "a stream of RabbitMQ",
        f"{RABBITMQ}.stream",
        {"key": "a"},
        "unknown field",
        where=f"{RABBITMQ}.stream",
    ),
    refused("two brokers and none", "spec.queue", {}, "set rabbitmq, redis or kafka"),
    refused(
        "a database past a million",
        REDIS,
        REDIS_LIST | {"database": 1_000_001},
        "1000000",
        where=f"{REDIS}.database",
    ),
    refused(
        "a lease that never ends",
        REDIS,
        REDIS_LIST | {"leaseSeconds": INT32},
        "3600",
        where=f"{REDIS}.leaseSeconds",
    ),
    Refused(
        "a deep worker",
        with_worker(("spec.worker.deep", {"a": {}})),
        "spec.worker.deep",
        "unknown field",
    ),
    Refused(
        "a variable with an equals sign",
        with_worker(("spec.worker.delivery", {"type": "Environment", "variable": "A=B"})),
        "spec.worker.delivery.variable",
        "should match",
    ),
    Refused(
        "a dead-letter queue of nothing",
        with_worker(("spec.retry", {"deadLetter": {"name": ""}})),
        "spec.retry.deadLetter.name",
        "at least 1",
    ),
    Refused(
        "a limit with decimals",
        with_worker(("spec.failurePolicy", {"maxDeadLettered": "1.5%"})),
        "spec.failurePolicy.maxDeadLettered",
        "should match",
    ),
    Refused(
        "a limit in Arabic digits",
        with_worker(("spec.failurePolicy", {"maxDeadLettered": "\u0665%"})),
        "spec.failurePolicy.maxDeadLettered",
        "should match",
    ),
]

NAMES = [
    refused("a name in capitals", "metadata.name", "Fruits", "RFC 1123"),
    refused("a name with a new line", "metadata.name", "fruits\n", "RFC 1123"),
    refused("a name of emoji", "metadata.name", "🍎", "RFC 1123"),
    refused("a name up the path", "metadata.name", "../fruits", "metadata.name"),
    refused("a name that is an option", "metadata.name", "--all", "RFC 1123"),
    refused("an empty name", "metadata.name", "", "required"),
    refused("a name of 254", "metadata.name", "a" * 254, "at most 40"),
]

REFUSED_ODD = [*TYPES, *TEMPLATES, *ADDRESSES, *CONTRADICTIONS, *NAMES]

REFUSED_TEXTS: list[tuple[str, bytes, str]] = [
    ("no JSON", b"kind: [", "json"),
    ("bytes that are no UTF-8 in a name", b'{"metadata": {"name": "\xff\xfe"}', "json"),
    ("JSON that ends too soon", b'{"apiVersion": "wqj.dev/v1alpha1"', "unexpected end"),
    ("a number that is none", b'{"spec": {"parallelism": NaN}}', "invalid character 'N'"),
    ("a number past every float", b'{"spec": {"parallelism": 1e999}}', "1e999"),
    ("10,001 levels", b'{"a":' * 10_001 + b"1" + b"}" * 10_001, "exceeded max depth"),
    ("4 MiB", b'{"a": "' + b"x" * 2**22 + b'"}', "limit is 3145728"),
    ("another kind", b'{"apiVersion": "v1", "kind": "Secret"}', "does not match"),
]
"""What is no manifest at all, and what the API server says of it."""
