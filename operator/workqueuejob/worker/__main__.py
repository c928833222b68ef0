"""`python -m workqueuejob.worker`, the same as `wqj-worker`."""

import sys

from workqueuejob.worker.main import main

sys.exit(main())
