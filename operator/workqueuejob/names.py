"""The names that the operator gives to things, and why they fit."""

import hashlib

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
"""On every Job and pod: the WorkQueueJob's UID, for a namesake may have been here before."""

WAVE_LABEL = f"{GROUP}/wave"
"""On every Job and pod: the wave's number, from 1."""

WORKER_LABEL = f"{GROUP}/worker"
"""On every pod that our worker runs in, whose termination message is its report."""

WARM_LABEL = f"{GROUP}/warm"
"""On the Job and the pods of a wave that is kept although nothing is ready."""

KUEUE_LABEL = "kueue.x-k8s.io/queue-name"
"""On a Job: Kueue decides when it may run, and nobody else suspends, resumes or resizes it."""

JOB_LABEL = "batch.kubernetes.io/job-name"
"""On every pod of a Job, by Kubernetes: the Job's name."""

TEMPLATE_HASH_ANNOTATION = f"{GROUP}/template-hash"
"""On every Job: what its pods were made from."""

NAME_MAX_LENGTH = 40
"""40 + UID hash (6) + wave (8) + index (6), with hyphens, is a hostname of at most 63."""

WAVE_DIGITS = 8
"""What a wave's number may have of that."""

_UID_HASH_LENGTH = 5


def job_name(name: str, uid: str, wave: int) -> str:
    """Return the name of a wave's Job: the same for the same object and wave, for ever.

    The UID's hash keeps a re-created namesake from adopting or colliding with old Jobs.
    """
    return f"{name}-{_uid_hash(uid)}-{wave}"


def _uid_hash(uid: str) -> str:
    return hashlib.sha256(uid.encode()).hexdigest()[:_UID_HASH_LENGTH]
