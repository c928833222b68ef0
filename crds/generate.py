"""Write the CustomResourceDefinition next to this file: `python crds/generate.py`.

With `--print` it goes to the standard output instead. Nothing else in the repository writes it.
"""

import sys
from pathlib import Path

import yaml

from workqueuejob.api.crd import build_crd

MANIFEST = Path(__file__).with_name("workqueuejobs.wqj.dev.yaml")
_HEADER = "# Generated from operator/workqueuejob/api by crds/generate.py; do not edit.\n"


def render_crd() -> str:
    """Return the manifest as the file holds it."""
    return _HEADER + yaml.safe_dump(
        build_crd(), sort_keys=False, width=100, allow_unicode=True, explicit_start=True
    )


def main(arguments: list[str]) -> None:
    """Write the manifest, or print it."""
    if arguments == ["--print"]:
        sys.stdout.write(render_crd())
    else:
        MANIFEST.write_text(render_crd())


if __name__ == "__main__":
    main(sys.argv[1:])
