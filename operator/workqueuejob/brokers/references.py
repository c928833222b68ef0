"""What of a broker is measured for a WorkQueueJob, and the probe that measures it."""

from collections.abc import Hashable

from workqueuejob.api import WorkQueueJob
from workqueuejob.brokers.connection import BrokerConnection
from workqueuejob.brokers.probe import LoopProbe, Probe
from workqueuejob.brokers.registry import find_room
from workqueuejob.errors import QueueTypeUnsupported

QueueReference = Hashable
"""Of its room; equal ones are measured together, and the text is the queue's name."""


def build_reference(resource: WorkQueueJob) -> QueueReference:
    """Return what a probe of the broker measures; raises QueueTypeUnsupported."""
    queue = resource.spec.queue
    if queue.broker is None:
        raise QueueTypeUnsupported("spec.queue names no broker that is known here")
    return find_room(queue.broker).reference.build_reference(resource, queue.source)


AnyProbe = Probe[QueueReference] | LoopProbe[QueueReference]


def connect(settings: BrokerConnection) -> AnyProbe:
    """Open a probe, or prepare one for a loop; raise a QueueError when that fails.

    Hosts that the spec names were checked when the settings were made. Their addresses, and hosts
    that a broker names, are checked when the probe connects, by the settings' `reach`.
    """
    probe: AnyProbe = find_room(settings.broker).probe.connect(settings)
    return probe
