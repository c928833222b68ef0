"""RabbitMQ: classic and quorum queues over AMQP 0-9-1, and the management API.

What a worker and the operator do at a RabbitMQ belongs here, and nothing that another broker needs.
The user's own queue is only declared passively.
"""
