"""What all actors share; made once, when the operator starts."""

from dataclasses import dataclass, field

from workqueuejob.brokers.hosts import ALL_HOSTS, AllowedHosts
from workqueuejob.cluster.api import ClusterAPI
from workqueuejob.controller.queue_follower import QueueMeter
from workqueuejob.controller.secret_reads import SecretReads
from workqueuejob.controller.turns import Turns
from workqueuejob.planning.pods.job_manifest import WorkerImage


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all actors share.

    secrets: through which Secrets are read.
    instance: the operator's own name, for Events.
    worker_image: what injected workers are copied from.
    allowed_hosts: those that may be connected to as brokers.
    turns: by which they go on one after the other.
    """

    cluster: ClusterAPI
    secrets: SecretReads
    meter: QueueMeter
    instance: str
    worker_image: WorkerImage
    allowed_hosts: AllowedHosts = ALL_HOSTS
    turns: Turns = field(default_factory=Turns)
