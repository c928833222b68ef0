"""Measures every watched queue again and again: when, in which order, and how often to try.

One thread and one connection per login. How a queue is measured is the broker's own business; what
its depth means is planning's.
"""
