"""The worker's exit codes, by which a Job's failure policy decides what becomes of the pod."""

DONE = 0
"""The quota is settled, or the queue has nothing more to give."""

FAILED = 1
"""The worker itself could not go on: for example, its settings or its credentials are wrong."""

STOPPED_EARLY = 75
"""The worker stopped before it was done, and gave back its item. It counts as no failure.

The value is EX_TEMPFAIL of sysexits.h, "try again". The Job controller replaces the pod.
"""

TERMINATED = 143
"""The exit code of a program that SIGTERM ended, as shells report it."""

KILLED = 137
"""The exit code of a container that SIGKILL ended, as the kernel does when memory is short."""
