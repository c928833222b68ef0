"""RabbitMQ: queues over AMQP 0-9-1, classic and quorum, and the management API."""
