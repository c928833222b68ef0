"""Start the worker from the folder that it travels in; the image around it may hold anything.

What Python does to its own environment is undone here, for the user's command inherits it.
"""

import os
import sys

from workqueuejob.worker.main import main

# PEP 538: in an image without a locale Python sets one, for itself and all that it starts.
with open("/proc/self/environ", "rb") as original:
    if b"\0LC_CTYPE=" not in b"\0" + original.read():
        os.environ.pop("LC_CTYPE", None)

sys.exit(main())
