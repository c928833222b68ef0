"""What operator and worker agree on, such as settings, reports, retries, exit codes and offsets.

The worker imports it and travels into any image, so nothing here needs more than the standard
library. It holds values and pure functions: nothing here connects, waits or knows a cluster. The
one exception is `notices`, which writes the worker's lines to stderr.
"""
