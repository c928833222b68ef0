"""What the run has done so far, in pods and in items, and what status has recorded of it.

Nothing here looks forward: what is to be done next belongs to `sizing` and `rules`. `ReportBook` is
the only object of planning that changes, because reports come one by one.
"""
