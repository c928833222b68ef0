"""The names, labels and annotations that the operator gives to objects, and their lengths."""

import hashlib
import re

GROUP = "wqj.dev"
VERSION = "v1alpha1"
KIND = "WorkQueueJob"
PLURAL = "workqueuejobs"
SINGULAR = "workqueuejob"
SHORT_NAME = "wqj"
API_VERSION = f"{GROUP}/{VERSION}"
OPERATOR = "workqueuejob-operator"

NAME_LABEL = f"{GROUP}/name"
"""On every Job and pod of a WorkQueueJob: its name. Also the scale subresource's selector."""

UID_LABEL = f"{GROUP}/uid"
"""On every Job and pod: the WorkQueueJob's UID, because an earlier one may have had its name."""

WAVE_LABEL = f"{GROUP}/wave"
"""On every Job and pod: the wave's number, from 1."""

WORKER_LABEL = f"{GROUP}/worker"
"""On every pod that runs this project's worker; its termination message is the worker's report."""

WARM_LABEL = f"{GROUP}/warm"
"""On the Job and the pods of a wave that is kept although no item is ready."""

CONCURRENCY_LABEL = f"{GROUP}/concurrency"
"""On a Job and its pods: how many items each pod works on at once. Without it, one."""

DEFAULT_INSTALLATION = "default/workqueuejob"
"""The installation of a process that was given no other name: its Lease's namespace and name."""

INSTALLATION_LABEL = f"{GROUP}/installation"
"""On every Job, pod and Event: the operator's installation that made it, as `label_installation`
writes it."""

KUEUE_LABEL = "kueue.x-k8s.io/queue-name"
"""On a Job: Kueue decides when it may run; the operator does not suspend, resume or resize it."""

JOB_LABEL = "batch.kubernetes.io/job-name"
"""On every pod of a Job, by Kubernetes: the Job's name."""

TEMPLATE_HASH_ANNOTATION = f"{GROUP}/template-hash"
"""On every Job: the hash of what its pods were made from."""

NAME_MAX_LENGTH = 40
"""Characters of a WorkQueueJob's name. A pod's hostname may have 63, and this leaves room in it.

40, and each with its hyphen: the UID's hash (1 + 5), the wave (1 + 10) and the index (1 + 5) are
63.
"""

WAVE_DIGITS = 10
"""Digits of a wave's number, at most. At two waves a second, 2^31 waves take 34 years."""

_UID_HASH_LENGTH = 5
_LABEL_MAX_LENGTH = 63
_INSTALLATION = re.compile(
    r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?/[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?"
)
_INSTALLATION_HASH_LENGTH = 8


def job_name(name: str, uid: str, wave: int) -> str:
    """Return the name of a wave's Job, such as `fruits-1f0c4-3`; depends on nothing else.

    The UID's hash keeps a re-created namesake from adopting old Jobs, and from their names.
    """
    return f"{name}-{_uid_hash(uid)}-{wave}"


def is_installation(name: str) -> bool:
    """Return whether a text is an installation's name: `namespace/name`, in Kubernetes' letters."""
    return _INSTALLATION.fullmatch(name) is not None


def label_installation(name: str) -> str:
    """Return an installation's name as a label's value: `wqj-system/wqj` is `wqj-system.wqj`.

    A namespace has no dots, so two names differ here too. A name of more than 63 characters ends in
    its hash.
    """
    value = name.replace("/", ".", 1)
    if len(value) <= _LABEL_MAX_LENGTH:
        return value
    digest = hashlib.sha256(name.encode()).hexdigest()[:_INSTALLATION_HASH_LENGTH]
    return f"{value[: _LABEL_MAX_LENGTH - len(digest) - 1]}-{digest}"


def read_installation(label: str) -> str:
    """Return the installation's name that a label shows; a long one stays cut."""
    return label.replace(".", "/", 1)


def _uid_hash(uid: str) -> str:
    return hashlib.sha256(uid.encode()).hexdigest()[:_UID_HASH_LENGTH]
