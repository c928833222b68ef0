"""Kafka topics, as one consumer group sees them.

What a worker and the operator do at a Kafka cluster belongs here, and nothing that another broker
needs.
"""
