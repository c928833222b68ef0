"""Compares what the operator may do with what it did: a right that nothing uses has to go.

`python -m tests.cluster.grants [--since TIME]`, after the cluster tests, says what is wrong and
exits with 1, or is silent. It needs the local cluster, whose API server keeps an audit log.
"""

import argparse
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from dev import environment
from dev.environment import LOCAL_CLUSTER, NAMESPACE, RELEASE, Cluster

from .audit_log import Request, read_requests

OPERATOR = f"system:serviceaccount:{NAMESPACE}:{RELEASE}"

Key = tuple[str, str, str]
"""API group, resource with subresource, verb."""

EXCEPTIONS: Mapping[Key, str] = {
    ("wqj.dev", "workqueuejobs/finalizers", "update"): (
        "asked by the API server itself when a Job is created whose owner reference blocks the"
        " owner's deletion, so it is in no log; the local cluster's admission plugin"
        " OwnerReferencesPermissionEnforcement refuses every Job without it"
    ),
}
"""Grants that no request shows, each with the reason why it stays."""


@dataclass(frozen=True, slots=True)
class Grant:
    """One verb on one resource; `namespace` is empty where it holds everywhere."""

    group: str
    resource: str
    verb: str
    namespace: str = ""
    names: frozenset[str] = frozenset()

    @property
    def key(self) -> Key:
        """What it allows, wherever it does."""
        return self.group, self.resource, self.verb

    def __str__(self) -> str:
        resource = f"{self.resource}.{self.group}" if self.group else self.resource
        where = f" in namespace {self.namespace}" if self.namespace else ""
        return f"{self.verb} {resource}{where}"

    def allows(self, request: Request) -> bool:
        """Return whether the request needs this grant, or one like it."""
        return (
            self.key == (request.group, request.resource, request.verb)
            and self.namespace in ("", request.namespace)
            and (not self.names or request.name in self.names)
        )


def find_problems(
    grants: Iterable[Grant],
    requests: Iterable[Request],
    *,
    exceptions: Mapping[Key, str] = EXCEPTIONS,
) -> list[str]:
    """Return a sentence for each grant and request that should not be."""
    grants = set(grants)
    requests = set(requests)
    own = {request for request in requests if request.user == OPERATOR}
    allowed = [request for request in own if not request.forbidden]
    used = {grant for grant in grants if any(grant.allows(request) for request in allowed)}
    return [
        *_refused(own, granted=used),
        *(
            f"never used: {grant}; remove it from the chart's roles, test what needs it, or give"
            " the reason in EXCEPTIONS"
            for grant in sorted(grants - used, key=str)
            if grant.key not in exceptions
        ),
        *(
            f"no exception any more: {' '.join(filter(None, key))}; remove it from EXCEPTIONS"
            for key in exceptions
            if key not in {grant.key for grant in grants - used}
        ),
        *_of_pods(requests),
    ]


def _refused(requests: Iterable[Request], *, granted: Iterable[Grant]) -> list[str]:
    """Return the sentences about what the operator tried and may not do.

    What is granted is refused too: by an API server that has just started and not read the roles
    yet, and by one whose roles are just being made or removed with the chart.
    """
    refused = {
        f"{request.verb} {request.resource} {request.group}".rstrip(): request.uri
        for request in requests
        if request.forbidden and not any(grant.allows(request) for grant in granted)
    }
    return [
        f"forbidden: {what}, such as {uri}; add it to the chart's roles, or don't ask for it"
        for what, uri in sorted(refused.items())
    ]


def _of_pods(requests: Iterable[Request]) -> list[str]:
    """Return the sentences about pods of Jobs, which the worker must leave alone with the API."""
    users = {request.user for request in requests}
    return [
        f"{user} asked the API server for something; the worker needs no right in the cluster"
        for user in sorted(users)
        if user.startswith("system:serviceaccount:wqj-test-") and user.endswith(":default")
    ]


def expand_rules(role: Mapping[str, Any], *, namespace: str = "") -> Iterator[Grant]:
    """Yield the grants of a Role or ClusterRole that is bound in a namespace, or everywhere."""
    for rule in role["rules"]:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                for verb in rule["verbs"]:
                    yield Grant(
                        group,
                        resource,
                        verb,
                        namespace=namespace,
                        names=frozenset(rule.get("resourceNames", ())),
                    )


def read_grants(cluster: Cluster) -> set[Grant]:
    """Return what is bound to the operator's service account by name."""
    grants: set[Grant] = set()
    for binding in cluster.get("clusterrolebindings,rolebindings", "--all-namespaces")["items"]:
        if not any(_is_operator(subject) for subject in binding.get("subjects") or ()):
            continue
        role = binding["roleRef"]
        namespace = binding["metadata"].get("namespace", "")
        where = ("-n", namespace) if namespace else ()
        found = cluster.get(role["kind"].lower(), role["name"], *where)
        grants.update(expand_rules(found, namespace=namespace))
    return grants


def _find_installation_time(cluster: Cluster) -> datetime:
    account = cluster.get("serviceaccount", RELEASE, "-n", NAMESPACE)
    return datetime.fromisoformat(account["metadata"]["creationTimestamp"])


def _is_operator(subject: Mapping[str, Any]) -> bool:
    return (subject["kind"], subject.get("namespace"), subject["name"]) == (
        "ServiceAccount",
        NAMESPACE,
        RELEASE,
    )


def main(arguments: Sequence[str]) -> int:
    """Print what is wrong; return 1 if anything is."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--since",
        type=datetime.fromisoformat,
        metavar="TIME",
        help="ISO 8601 with a zone; requests before it don't count (default: the installation)",
    )
    since: datetime | None = parser.parse_args(arguments).since
    cluster = environment.connect()
    if not cluster.is_local:
        sys.stderr.write("grants: not compared, for only the local cluster has an audit log\n")
        return 0
    asked = subprocess.run([LOCAL_CLUSTER, "audit-log"], check=True, text=True, capture_output=True)
    log = Path(asked.stdout.strip())
    requests = read_requests(log, since=since or _find_installation_time(cluster))
    problems = find_problems(read_grants(cluster), requests)
    for problem in problems:
        sys.stdout.write(f"grants: {problem}\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
