"""What the operator's pod may do on its node, and its account in the cluster."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

if TYPE_CHECKING:
    from tests.chart.conftest import Helm, Manifest, Rendering

ROOT = Path(__file__).resolve().parents[2]

OPERATOR_RULES = {
    ("wqj.dev", "workqueuejobs"): {"list", "watch", "delete"},
    ("wqj.dev", "workqueuejobs/status"): {"patch"},
    ("wqj.dev", "workqueuejobs/finalizers"): {"update"},
    ("batch", "jobs"): {"list", "watch", "get", "create", "patch", "delete"},
    ("batch", "jobs/status"): {"patch"},
    ("", "pods"): {"list", "watch", "delete"},
    ("", "secrets"): {"get"},
    ("events.k8s.io", "events"): {"create"},
}


ELECTION = "-leader-election"


def rules_of(role: Manifest) -> dict[tuple[str, str], set[str]]:
    return {
        (group, resource): set(rule["verbs"])
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }


def cluster_role(rendering: Rendering, suffix: str) -> Manifest:
    (role,) = [
        role
        for role in rendering.of_kind("ClusterRole")
        if role["metadata"]["name"].endswith(suffix)
    ]
    return role


@pytest.mark.parametrize("values", ["default", "full"])
def test_pod_satisfies_the_restricted_standard(values: str, request: pytest.FixtureRequest) -> None:
    rendering: Rendering = request.getfixturevalue(values)
    spec = rendering.pod()["spec"]
    assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers"} & set(spec)
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"].get("runAsUser") != 0
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    container = rendering.container()["securityContext"]
    assert container["allowPrivilegeEscalation"] is False
    assert container["capabilities"] == {"drop": ["ALL"]}
    assert "privileged" not in container
    assert container["readOnlyRootFilesystem"] is True
    allowed = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "projected", "secret"}
    assert all(set(volume) - {"name"} <= allowed for volume in spec.get("volumes", []))


def test_operator_needs_nowhere_to_write(default: Rendering) -> None:
    assert "volumes" not in default.pod()["spec"]
    assert "volumeMounts" not in default.container()


def test_only_the_operators_pod_gets_its_token(default: Rendering) -> None:
    assert default.one("ServiceAccount")["automountServiceAccountToken"] is False
    assert default.pod()["spec"]["automountServiceAccountToken"] is True


def test_no_role_holds_a_wildcard(default: Rendering, full: Rendering) -> None:
    rules = [rule for each in (default, full) for role in each.roles() for rule in role["rules"]]
    assert rules
    for rule in rules:
        assert "*" not in rule["verbs"] + rule["resources"] + rule["apiGroups"]
        assert "nonResourceURLs" not in rule


def test_operator_has_the_verbs_that_it_uses_and_no_others(default: Rendering) -> None:
    binding = default.one("ClusterRoleBinding")
    assert binding["roleRef"]["name"] == "workqueuejob-system:workqueuejob"
    role = cluster_role(default, ":workqueuejob")
    assert rules_of(role) == OPERATOR_RULES


def test_watch_namespaces_give_the_operator_roles_in_them_only(full: Rendering) -> None:
    assert full.of_kind("ClusterRoleBinding") == []
    roles = {
        role["metadata"]["namespace"]: rules_of(role)
        for role in full.of_kind("Role")
        if not role["metadata"]["name"].endswith(ELECTION)
    }
    assert roles == {"fruits": OPERATOR_RULES, "42": OPERATOR_RULES}
    for binding in full.of_kind("RoleBinding"):
        assert binding["metadata"]["namespace"] in roles or binding["roleRef"]["name"].endswith(
            ELECTION
        )
        assert binding["roleRef"]["kind"] == "Role"
        assert binding["subjects"] == [
            {"kind": "ServiceAccount", "name": "queues", "namespace": "workqueuejob-system"}
        ]
    aggregated = {role["metadata"]["name"] for role in full.of_kind("ClusterRole")}
    prefix = "workqueuejob-system:queue-operator"
    assert aggregated == {f"{prefix}:view", f"{prefix}:edit"}


@pytest.mark.parametrize(
    ("values", "name"), [("default", "workqueuejob"), ("full", "queue-operator")]
)
def test_operator_may_change_its_own_lease_and_no_other(
    values: str, name: str, request: pytest.FixtureRequest
) -> None:
    rendering: Rendering = request.getfixturevalue(values)
    (role,) = [
        role for role in rendering.of_kind("Role") if role["metadata"]["name"] == name + ELECTION
    ]
    assert role["metadata"]["namespace"] == "workqueuejob-system"
    lease = {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"]}
    assert role["rules"] == [
        {**lease, "verbs": ["create"]},
        {**lease, "resourceNames": [name], "verbs": ["get", "update"]},
    ]
    assert f"--lease-name={name}" in rendering.container()["args"]


def test_namespace_of_the_release_may_be_watched_too(helm: Helm) -> None:
    rendering = helm.template({"watchNamespaces": ["workqueuejob-system"]})
    names = [role["metadata"]["name"] for role in rendering.of_kind("Role")]
    assert sorted(names) == [
        "workqueuejob-leader-election",
        "workqueuejob-system:workqueuejob",
    ]


def test_viewers_of_a_namespace_only_read(default: Rendering) -> None:
    role = cluster_role(default, ":view")
    assert rules_of(role) == {("wqj.dev", "workqueuejobs"): {"get", "list", "watch"}}
    labels = role["metadata"]["labels"]
    assert labels["rbac.authorization.k8s.io/aggregate-to-view"] == "true"


def test_editors_change_workqueuejobs_but_not_their_status(default: Rendering) -> None:
    role = cluster_role(default, ":edit")
    reads, writes = {"get", "list", "watch"}, {"create", "update", "patch"}
    assert rules_of(role) == {
        ("wqj.dev", "workqueuejobs"): reads | writes | {"delete", "deletecollection"},
        ("wqj.dev", "workqueuejobs/scale"): {"get", "update", "patch"},
    }
    prefix = "rbac.authorization.k8s.io/aggregate-to-"
    given = {name for name in role["metadata"]["labels"] if name.startswith(prefix)}
    assert given == {f"{prefix}edit", f"{prefix}admin"}


def test_policy_is_asked_for_every_version_and_denies(default: Rendering) -> None:
    policy = default.one("ValidatingAdmissionPolicy")
    (rule,) = policy["spec"]["matchConstraints"]["resourceRules"]
    assert rule == {
        "apiGroups": ["wqj.dev"],
        "apiVersions": ["*"],
        "operations": ["CREATE", "UPDATE"],
        "resources": ["workqueuejobs"],
    }
    assert policy["spec"]["failurePolicy"] == "Fail"
    binding = default.one("ValidatingAdmissionPolicyBinding")["spec"]
    assert binding == {"policyName": policy["metadata"]["name"], "validationActions": ["Deny"]}


def test_policy_is_not_bound_to_the_namespaces_of_other_installations(helm: Helm) -> None:
    rendering = helm.template({"excludeNamespaces": ["shop", "bank"]})
    (selected,) = rendering.one("ValidatingAdmissionPolicyBinding")["spec"]["matchResources"][
        "namespaceSelector"
    ]["matchExpressions"]
    assert (selected["operator"], selected["values"]) == ("NotIn", ["shop", "bank"])


def test_policy_is_bound_to_the_namespaces_that_the_operator_serves(full: Rendering) -> None:
    binding = full.one("ValidatingAdmissionPolicyBinding")["spec"]
    (selected,) = binding["matchResources"]["namespaceSelector"]["matchExpressions"]
    assert selected == {
        "key": "kubernetes.io/metadata.name",
        "operator": "In",
        "values": ["fruits", "42"],
    }


def test_multi_tenant_preset_gives_rights_and_reach_in_its_namespaces_only(helm: Helm) -> None:
    values = yaml.safe_load((ROOT / "deploy" / "multi-tenant.yaml").read_text())
    rendering = helm.template(values)
    namespaces = set(values["watchNamespaces"])
    own = [role for role in rendering.of_kind("Role") if rules_of(role) == OPERATOR_RULES]
    assert {role["metadata"]["namespace"] for role in own} == namespaces
    secrets = [
        role for role in rendering.of_kind("ClusterRole") if ("", "secrets") in rules_of(role)
    ]
    assert secrets == []
    assert rendering.of_kind("ClusterRoleBinding") == []
    assert rendering.of_kind("ValidatingAdmissionPolicyBinding")

    arguments = rendering.container()["args"]
    assert "--allowed-host=*.<namespace>.svc" in arguments
    assert [a for a in arguments if a.startswith("--allowed-host=")] == [
        "--allowed-host=*.<namespace>.svc"
    ]
    assert any(argument.startswith("--allowed-address=") for argument in arguments)

    policy = rendering.one("NetworkPolicy")["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    selected = [
        expression["values"]
        for rule in policy["egress"]
        for peer in rule.get("to", ())
        for expression in peer.get("namespaceSelector", {}).get("matchExpressions", ())
    ]
    assert selected == [values["watchNamespaces"]]
