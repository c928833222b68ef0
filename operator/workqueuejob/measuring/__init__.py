"""Measures every watched queue again and again: decides when, in which order, how often to retry.

There is one thread, and one connection for each set of connection settings. `brokers` measures
one queue once, and `planning` decides what its depth means.
"""
