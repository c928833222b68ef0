"""Kafka: topics as one consumer group sees them."""
