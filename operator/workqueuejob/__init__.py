"""WorkQueueJob: a Kubernetes operator that drains work queues with Jobs of the right size."""
