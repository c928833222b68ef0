"""What the run has done so far, in pods and in items, counted once.

Nothing here looks forward: what is still to do belongs to `sizing` and `rules`.
"""
