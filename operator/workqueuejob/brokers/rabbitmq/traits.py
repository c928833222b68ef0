"""What the planner must know of a RabbitMQ queue."""

from workqueuejob.api import RabbitMQQueue
from workqueuejob.brokers.rabbitmq.settings import FIELD, MOVE_AT
from workqueuejob.brokers.traits import Traits
from workqueuejob.contract.settings import DEFAULT_CONSUMER_TIMEOUT_SECONDS


def read_traits(queue: RabbitMQQueue) -> Traits:
    """Return the traits of `spec.queue.rabbitmq`."""
    credentials = queue.credentials_secret_ref
    consumer_timeout = queue.consumer_timeout_seconds or DEFAULT_CONSUMER_TIMEOUT_SECONDS
    return Traits(
        name=queue.queue,
        rests_by_delay=True,
        surplus_timeout_seconds=queue.surplus_pod_timeout_seconds,
        consumer_timeout_seconds=consumer_timeout,
        hides_after_seconds=consumer_timeout * MOVE_AT,
        consumer_timeout="RabbitMQ's consumer timeout",
        telling_apart=(
            f" without {FIELD}.management; set it, or set {FIELD}.surplusPodTimeoutSeconds to more"
            " seconds than an item takes"
        ),
        knowing_held=f"{FIELD}.management",
        login_for_url=credentials.name if credentials else None,
        operator_only=(("management",), ("surplusPodTimeoutSeconds",)),
    )
