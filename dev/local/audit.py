"""The settings of the API server's audit log. Starts nothing.

The log has the requests of service accounts outside of kube-system, without their bodies. A test
compares them with the operator's role, and shows by them that pods of Jobs send none. A bench
counts them.
"""

import json
from pathlib import Path

from dev.local.layout import Layout

MAX_FILE_MEGABYTES = 64
MAX_FULL_FILES = 4
"""Full files that stay beside the current one; together they hold hours of the tests."""


def render_policy() -> str:
    """Return the audit policy, in JSON."""
    rules = [
        {"level": "None", "userGroups": ["system:serviceaccounts:kube-system"]},
        {"level": "Metadata", "userGroups": ["system:serviceaccounts"]},
        {"level": "None"},
    ]
    document = {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        # A request is logged when it has been answered, a watch when it begins and when it ends.
        "omitStages": ["RequestReceived"],
        "rules": rules,
    }
    return json.dumps(document, indent=2) + "\n"


def build_flags(
    policy: Path, log: Path, *, max_file_megabytes: int = MAX_FILE_MEGABYTES
) -> tuple[str, ...]:
    """Return the API server's arguments."""
    return (
        f"--audit-policy-file={policy}",
        f"--audit-log-path={log}",
        f"--audit-log-maxsize={max_file_megabytes}",
        f"--audit-log-maxbackup={MAX_FULL_FILES}",
    )


def policy_file(layout: Layout) -> Path:
    """Return the path of the policy file."""
    return layout.config / "audit-policy.json"
