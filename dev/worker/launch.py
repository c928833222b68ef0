"""Start the worker from the folder of the injected runtime, in any image.

Python's change of its own environment is undone here, because the user's command inherits it.
"""

import os
import sys

from workqueuejob.worker.main import main

# PEP 538: in an image without a locale, Python sets LC_CTYPE, which its child processes inherit.
with open("/proc/self/environ", "rb") as original:
    if b"\0LC_CTYPE=" not in b"\0" + original.read():
        os.environ.pop("LC_CTYPE", None)

sys.exit(main())
