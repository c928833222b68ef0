"""The worker's exit codes; a Job's failure policy tells them apart."""

DONE = 0
"""The quota is settled, or the queue has nothing more to give."""

FAILED = 1
"""The worker itself could not go on: its settings or its credentials are wrong."""

STOPPED_EARLY = 75
"""It was told to stop before it was done, and has given back what it held; nobody's failure.

EX_TEMPFAIL of sysexits.h: try again. The Job's controller replaces the pod.
"""

KILLED = 137
"""What a container exits with that SIGKILL ended, as the kernel does when memory is short."""
