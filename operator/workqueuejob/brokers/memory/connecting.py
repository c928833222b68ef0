"""From a worker's environment to the queues of this process. Pure."""

from workqueuejob.brokers.environ import Environment
from workqueuejob.brokers.memory.settings import MemoryConnection, MemorySource
from workqueuejob.contract.settings import BROKER_URL, QUEUE, WorkerSettings
from workqueuejob.errors import SettingsInvalid


def build_connection(
    _source: MemorySource, _settings: WorkerSettings, environ: Environment
) -> MemoryConnection:
    """Return the connection; raise SettingsInvalid if the URL says more than it can."""
    if environ.get(BROKER_URL, "").strip().partition(":")[2].strip("/"):
        raise SettingsInvalid(
            f"{BROKER_URL} has something behind memory://, which has neither host nor path; remove"
            f" it: {QUEUE} is the name of a queue in this process"
        )
    return MemoryConnection()
