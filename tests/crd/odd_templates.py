"""Pod templates that the schema takes, and that no Job can be made of."""

from .odd import CONTAINER, POD, REMOVED, nested, template_invalid, with_worker

FIRST = f"{POD}.containers[0]"

SHAPES = [
    template_invalid("env as text", f"{FIRST}.env must be a list", (f"{CONTAINER}.env", "A=b")),
    template_invalid("env as a map", f"{FIRST}.env must be a list", (f"{CONTAINER}.env", {"A": 1})),
    template_invalid("env of texts", f"{FIRST}.env must be", (f"{CONTAINER}.env", ["A=b"])),
    template_invalid("env of nulls", f"{FIRST}.env must be", (f"{CONTAINER}.env", [None])),
    template_invalid("env without a name", f"{FIRST}.env[0].name must", (f"{CONTAINER}.env", [{}])),
    template_invalid(
        "args as text", f"{FIRST}.args must", *with_worker((f"{CONTAINER}.args", "x"))
    ),
    template_invalid("args of numbers", f"{FIRST}.args must", (f"{CONTAINER}.args", [1])),
    template_invalid("volumes as number", f"{POD}.volumes must", (f"{POD}.volumes", 5)),
    template_invalid(
        "mounts as text", f"{FIRST}.volumeMounts", (f"{CONTAINER}.volumeMounts", "/a")
    ),
    template_invalid(
        "init containers as text", f"{POD}.initContainers must", (f"{POD}.initContainers", "a")
    ),
    template_invalid(
        "security as a word",
        f"{POD}.securityContext must be an object",
        *with_worker((f"{POD}.securityContext", "none")),
    ),
    template_invalid(
        "limits as a list",
        f"{FIRST}.resources.limits must be an object",
        *with_worker((f"{CONTAINER}.resources", {"limits": ["1"]})),
    ),
    template_invalid(
        "a grace of text", "GracePeriod", (f"{POD}.terminationGracePeriodSeconds", "30s")
    ),
    template_invalid(
        "a grace past an int64", "GracePeriod", (f"{POD}.terminationGracePeriodSeconds", 1e30)
    ),
    template_invalid(
        "a privilege as text", "rivileged", (f"{CONTAINER}.securityContext", {"privileged": "yes"})
    ),
    template_invalid(
        "a container's port as text",
        "containerPort",
        (f"{CONTAINER}.ports", [{"containerPort": "http"}]),
    ),
    template_invalid(
        "a script of 300,000 bytes",
        "spec.template is 300,",
        (f"{CONTAINER}.args", ["x" * 100_000] * 3),
    ),
    template_invalid(
        "400 levels", 'unknown field "spec.template.spec.deep"', (f"{POD}.deep", nested(400))
    ),
    template_invalid(
        "2,000 levels", 'unknown field "spec.template.spec.deep"', (f"{POD}.deep", nested(2000))
    ),
]

JOBS_REFUSALS = [
    template_invalid(
        "an unknown field of pods",
        'unknown field "spec.template.spec.restart"',
        (f"{POD}.restart", "no"),
    ),
    template_invalid("completions in the pod", "unknown field", (f"{POD}.completions", 8)),
    template_invalid("no image", "containers[0].image: Required", (f"{CONTAINER}.image", REMOVED)),
    template_invalid("an image as number", "containers.image", (f"{CONTAINER}.image", 7)),
    template_invalid(
        "a container's name with a dot", "containers[0].name", (f"{CONTAINER}.name", "a.b")
    ),
    template_invalid(
        "a container's name of emoji", "containers[0].name", (f"{CONTAINER}.name", "🍎")
    ),
    template_invalid(
        "a variable of no name",
        "].name: Required",
        (f"{CONTAINER}.env", [{"name": "QUEUE"}, {"name": ""}]),
    ),
    template_invalid(
        "a variable's name with =", "env[", (f"{CONTAINER}.env", [{"name": "A=B", "value": "c"}])
    ),
    template_invalid(
        "a variable from two places",
        "valueFrom",
        (
            f"{CONTAINER}.env",
            [
                {
                    "name": "A",
                    "value": "b",
                    "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}},
                },
            ],
        ),
    ),
    template_invalid(
        "a field that no pod has",
        "fieldPath",
        (
            f"{CONTAINER}.env",
            [
                {"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "spec.secret"}}},
            ],
        ),
    ),
    template_invalid(
        "a mount of no volume",
        "volumeMounts[0].name: Not found",
        (f"{CONTAINER}.volumeMounts", [{"name": "a", "mountPath": "/a"}]),
    ),
    template_invalid(
        "two volumes of one name",
        "volumes[1].name: Duplicate",
        (f"{POD}.volumes", [{"name": "a"}, {"name": "a"}]),
    ),
    template_invalid(
        "a volume of our name",
        "Duplicate value",
        *with_worker((f"{POD}.volumes", [{"name": "wqj-worker", "emptyDir": {}}])),
    ),
    template_invalid(
        "an init container of our name",
        "Duplicate value",
        *with_worker((f"{POD}.initContainers", [{"name": "wqj-worker-install", "image": "a"}])),
    ),
    template_invalid(
        "a mount where ours is",
        "must be unique",
        *with_worker(
            (f"{POD}.volumes", [{"name": "a", "emptyDir": {}}]),
            (f"{CONTAINER}.volumeMounts", [{"name": "a", "mountPath": "/wqj"}]),
        ),
    ),
    template_invalid(
        "an ephemeral container",
        "ephemeralContainers",
        (f"{POD}.ephemeralContainers", [{"name": "a", "image": "b"}]),
    ),
    template_invalid(
        "a quantity of words",
        "quantities must match",
        (f"{CONTAINER}.resources", {"limits": {"cpu": "many"}}),
    ),
    template_invalid(
        "a negative limit",
        "resources.limits",
        (f"{CONTAINER}.resources", {"limits": {"cpu": "-1"}}),
    ),
    template_invalid(
        "a deadline of 0", "activeDeadlineSeconds", (f"{POD}.activeDeadlineSeconds", 0)
    ),
    template_invalid(
        "a host's port beside another",
        "hostPort",
        (f"{POD}.hostNetwork", True),
        (f"{CONTAINER}.ports", [{"containerPort": 80, "hostPort": 81}]),
    ),
    template_invalid(
        "a label's key with a space",
        "metadata.labels",
        ("spec.jobMetadata.labels", {"team a": "b"}),
    ),
    template_invalid(
        "a label's key of 300", "labels", ("spec.template.metadata", {"labels": {"a" * 300: "b"}})
    ),
    template_invalid(
        "annotations of 400 KiB",
        "262144 bytes",
        ("spec.jobMetadata.annotations", {"a": "x" * 200_000, "b": "x" * 200_000}),
    ),
    template_invalid(
        "an annotation's key of two lines",
        "annotations",
        ("spec.jobMetadata.annotations", {"a\nb": "c"}),
    ),
    template_invalid(
        "the Job's own label",
        "job-name",
        ("spec.template.metadata", {"labels": {"job-name": "mine"}}),
    ),
    template_invalid(
        "the Job's own label of now",
        "controller-uid",
        ("spec.template.metadata", {"labels": {"batch.kubernetes.io/controller-uid": "mine"}}),
    ),
    template_invalid(
        "another system's pod",
        "windows options",
        (f"{POD}.os", {"name": "linux"}),
        (f"{POD}.securityContext", {"windowsOptions": {"runAsUserName": "a"}}),
    ),
]
