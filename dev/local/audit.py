"""What the API server writes down about who asked it for what. Starts nothing.

Requests of service accounts outside of kube-system, without their bodies: what the operator's
role is compared with, and that pods of Jobs ask for nothing.
"""

import json
from pathlib import Path

from dev.local.layout import Layout

MEGABYTES = 64
BACKUPS = 4
"""Files that stay beside the current one; together they hold hours of the tests."""


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
        # Written down once it is known what comes of it; a watch is when it begins and ends.
        "omitStages": ["RequestReceived"],
        "rules": rules,
    }
    return json.dumps(document, indent=2) + "\n"


def build_flags(layout: Layout) -> tuple[str, ...]:
    """Return the API server's arguments."""
    return (
        f"--audit-policy-file={policy_file(layout)}",
        f"--audit-log-path={layout.audit_log}",
        f"--audit-log-maxsize={MEGABYTES}",
        f"--audit-log-maxbackup={BACKUPS}",
    )


def policy_file(layout: Layout) -> Path:
    """Return where the API server reads the policy."""
    return layout.config / "audit-policy.json"
