"""The parts of the operator that all actors share; made once, when it starts."""

from dataclasses import dataclass, field

from workqueuejob.brokers.hosts import ALL_HOSTS, AllowedHosts
from workqueuejob.cluster.api import ClusterAPI
from workqueuejob.cluster.budget import RequestBudget
from workqueuejob.controller.job_lists import JobLists
from workqueuejob.controller.queue_follower import QueueMeter
from workqueuejob.controller.secret_reads import SecretReads
from workqueuejob.controller.stalls import Stalls
from workqueuejob.controller.turns import Turns
from workqueuejob.planning.pods.job_manifest import WorkerImage
from workqueuejob.planning.rules.installations import Installation


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The parts that all actors share."""

    cluster: ClusterAPI
    secrets: SecretReads
    job_lists: JobLists
    meter: QueueMeter
    instance: str
    """The name of the operator's pod or host, for Events."""
    worker_image: WorkerImage
    """The image from which an init container copies the worker into pods."""
    installation: Installation = field(default_factory=Installation)
    """The installation of the operator that this process is a replica of."""
    allowed_hosts: AllowedHosts = ALL_HOSTS
    """The hosts that the operator may connect to as brokers."""
    turns: Turns = field(default_factory=Turns)
    """Lets one actor plan at a time, and other tasks in between."""
    budget: RequestBudget = field(default_factory=RequestBudget)
    """The requests to the API server, of all actors."""
    stalls: Stalls = field(default_factory=Stalls)
    """Says whether the event loop has stalled, so that the watches are behind."""
