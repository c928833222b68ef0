"""Every odd manifest that the API server takes, with the condition that it ends in."""

from .odd_pods import HARMLESS, PODS
from .odd_queues import HOSTS, QUEUES
from .odd_secrets import SECRETS
from .odd_templates import JOBS_REFUSALS, SHAPES

ACCEPTED_ODD = [*SHAPES, *JOBS_REFUSALS, *HARMLESS, *PODS, *QUEUES, *HOSTS, *SECRETS]
