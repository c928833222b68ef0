"""`make chaos SEED=n`: one long run on the local cluster; exit code 1 if a promise was broken."""

import argparse
import sys
from pathlib import Path

from dev.workspaces.prepared import prepare

from .judge import judge
from .report import render, save
from .run import LARGE, SMALL, perform


def main() -> int:
    """Return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--short", action="store_true", help="what `make test` runs")
    parser.add_argument(
        "--output", type=Path, default=Path(".chaos"), help="where a folder is made of each seed"
    )
    options = parser.parse_args()
    scale = SMALL if options.short else LARGE
    directory: Path = options.output / f"seed-{options.seed}"
    evidence = perform(prepare(), scale, seed=options.seed, directory=directory)
    verdict = judge(evidence, faults_wanted=scale.faults_wanted)
    save(directory, evidence, verdict)
    sys.stdout.write(f"{render(evidence, verdict)}\n\nall of it is in {directory}\n")
    return 1 if verdict.violations else 0


if __name__ == "__main__":
    sys.exit(main())
