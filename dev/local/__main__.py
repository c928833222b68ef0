"""`python3 -m dev.local`, the same program as `dev/cluster`."""

import sys

from dev.local.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
