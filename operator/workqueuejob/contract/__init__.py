"""What operator and worker agree on: settings, reports, retries, exit codes, names, notices.

The worker imports it and travels into any image, so nothing here needs more than the standard
library. Values and pure functions only: nothing here connects, waits or knows a cluster.
"""
