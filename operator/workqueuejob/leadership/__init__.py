"""Which replica of the operator may write: the rules, the election, and the Lease in the cluster.

Nothing here belongs to a WorkQueueJob or a queue.
"""
