"""The brokers: how deep a queue is, and what is wrong when that can't be known.

One module per broker behind the protocol of `workqueuejob.queues.protocol`. Nothing here decides
anything about Jobs, and nothing here declares, purges or changes a user's queue.
"""
