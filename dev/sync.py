"""Generate the chart's CRD from `crds/`, and `deploy/manifests/` from the chart.

Writes only those files, and with `--check` none. Needs Helm: `$HELM`, or `helm` on the PATH.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from dev.environment import CHART, NAMESPACE, RELEASE, ROOT

CRD = ROOT / "crds" / "workqueuejobs.wqj.dev.yaml"
CHART_CRD = CHART / "files" / CRD.name
MANIFESTS = ROOT / "deploy" / "manifests"

KUBE_VERSION = "1.31.0"
"""The oldest supported; Helm's own default depends on how Helm was built."""

_HEADER = "# Made by `make generate`; change the chart or the models, then run it.\n"

# These labels mean that Helm owns the objects, which is not so after `kubectl apply`.
_HELM_LABEL = re.compile(r"^ +(helm\.sh/chart|app\.kubernetes\.io/managed-by): .*\n", re.MULTILINE)


def render(helm: Path) -> dict[Path, str]:
    """Return path and content of each generated file; writes nothing."""
    crd = CRD.read_text()
    return {
        CHART_CRD: crd,
        MANIFESTS / "crd.yaml": _HEADER + crd,
        MANIFESTS / "operator.yaml": _HEADER + _operator_manifest(helm),
    }


def find_stale(files: Mapping[Path, str]) -> list[Path]:
    """Return the paths of files that lack the given content."""
    return [path for path, text in files.items() if not path.is_file() or path.read_text() != text]


def main(arguments: Sequence[str]) -> int:
    """Write the stale files, or with `--check` name them and return 1."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; 1 if stale")
    check = parser.parse_args(arguments).check
    files = render(_find_helm())
    stale = find_stale(files)
    for path in stale:
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(files[path])
        sys.stdout.write(f"{'stale' if check else 'wrote'}: {path.relative_to(ROOT)}\n")
    return 1 if check and stale else 0


def _operator_manifest(helm: Path) -> str:
    # The CRD is in another file, which equals the one in crds/ except for its header.
    command = [str(helm), "template", RELEASE, str(CHART), "--namespace", NAMESPACE]
    command += ["--kube-version", KUBE_VERSION, "--set", "crds.install=false"]
    rendered = subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout
    return _HELM_LABEL.sub("", rendered)


def _find_helm() -> Path:
    helm = os.environ.get("HELM") or shutil.which("helm")
    if not helm:
        sys.exit("helm not found; set HELM to `$(dev/cluster binaries)/helm`")
    return Path(helm)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
