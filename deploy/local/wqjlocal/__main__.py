"""`python3 -m wqjlocal`, the same program as `deploy/local/cluster`."""

import sys

from wqjlocal.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
