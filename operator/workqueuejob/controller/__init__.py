"""The operator's process: watches, reconciles, and writes status and Events.

This package joins `planning`, which decides, with `cluster` and `measuring`, which touch the
outside world. It decides when to look, to retry and to write, not what a run needs.
"""
