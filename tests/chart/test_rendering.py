"""What the chart makes of its values."""

from __future__ import annotations

import re
import shutil
import tomllib
from typing import TYPE_CHECKING

import pytest
import yaml

from dev.environment import CHART, ROOT
from dev.sync import CHART_CRD, CRD
from workqueuejob.planning.rules.installations import OPERATOR_CONFLICT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.chart.conftest import Helm, Manifest, Rendering

DEFAULT_KINDS = {
    "ClusterRole",
    "ClusterRoleBinding",
    "CustomResourceDefinition",
    "Deployment",
    "NetworkPolicy",
    "PodDisruptionBudget",
    "Role",
    "RoleBinding",
    "Service",
    "ServiceAccount",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
}


def environment_of(rendering: Rendering) -> dict[str, str]:
    return {
        variable["name"]: variable["value"]
        for variable in rendering.container()["env"]
        if "value" in variable
    }


def test_lint_finds_nothing_to_warn_of(helm: Helm, full_values: Manifest) -> None:
    assert "0 chart(s) failed" in helm.lint({})
    assert "0 chart(s) failed" in helm.lint(full_values)


def test_every_value_is_documented_in_the_readme() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    readme = (CHART / "README.md").read_text()
    assert [name for name in values if f"`{name}" not in readme] == []


def test_every_value_is_in_the_tests_full_values(full_values: Manifest) -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    # The container's security context has nothing that a user should change. excludeNamespaces is
    # refused beside watchNamespaces.
    assert set(values) - set(full_values) == {"securityContext", "excludeNamespaces"}


def test_chart_and_image_have_the_projects_version(default: Rendering) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (version, version)
    assert default.container()["image"] == f"workqueuejob/operator:{version}"
    assert environment_of(default)["WQJ_WORKER_IMAGE"] == f"workqueuejob/worker:{version}"
    stated = re.findall(r"^ARG VERSION=(.*)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert set(stated) == {version}


def test_defaults_render_what_an_operator_needs_and_no_more(default: Rendering) -> None:
    assert default.kinds() == DEFAULT_KINDS


def test_switches_render_their_objects(full: Rendering) -> None:
    cluster_wide = {"ClusterRoleBinding"}
    assert full.kinds() == DEFAULT_KINDS - cluster_wide | {
        "PrometheusRule",
        "ServiceMonitor",
    }


def test_switches_remove_their_objects(helm: Helm) -> None:
    off: dict[str, object] = {
        "crds": {"install": False},
        "serviceAccount": {"create": False, "name": "mine"},
        "rbac": {"create": False, "aggregate": False},
        "admissionPolicy": {"enabled": False},
        "service": {"enabled": False},
        "podDisruptionBudget": {"enabled": False},
        "networkPolicy": {"enabled": False},
    }
    rendering = helm.template(off)
    assert rendering.kinds() == {"Deployment"}
    assert rendering.pod()["spec"]["serviceAccountName"] == "mine"


def test_namespaced_install_needs_nothing_cluster_wide(helm: Helm) -> None:
    values = {
        "watchNamespaces": ["fruits"],
        "crds": {"install": False},
        "rbac": {"aggregate": False},
        "admissionPolicy": {"enabled": False},
    }
    rendering = helm.template(values)
    assert rendering.kinds() == DEFAULT_KINDS - {
        "ClusterRole",
        "ClusterRoleBinding",
        "CustomResourceDefinition",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
    }


def test_crd_is_the_one_of_the_repository(helm: Helm) -> None:
    assert CHART_CRD.read_bytes() == CRD.read_bytes(), "run make generate"
    rendered = helm.template({"crds": {"keep": False}}).one("CustomResourceDefinition")
    assert rendered == yaml.safe_load(CRD.read_text())


def test_crd_survives_the_release_unless_asked(default: Rendering, full: Rendering) -> None:
    policy = "helm.sh/resource-policy"
    assert default.one("CustomResourceDefinition")["metadata"]["annotations"][policy] == "keep"
    assert "annotations" not in full.one("CustomResourceDefinition")["metadata"]


def test_arguments_say_what_the_values_say(default: Rendering, full: Rendering) -> None:
    assert default.container()["args"] == [
        "run",
        "--log-format=json",
        "--log-level=info",
        "--http-port=8080",
        "--poll-interval-seconds=0.8",
        "--lease-name=workqueuejob",
        "--installation=workqueuejob-system/workqueuejob",
        "--identity=$(WQJ_POD_NAME)_$(WQJ_POD_UID)",
    ]
    assert full.container()["args"] == [
        "run",
        "--namespace=fruits",
        "--namespace=42",
        "--log-format=text",
        "--log-level=debug",
        "--http-port=9090",
        "--poll-interval-seconds=5",
        "--allowed-host=*.<namespace>.svc",
        "--allowed-host=mq.prod.example:5671",
        "--allowed-host=[2001:db8::1]:5671",
        "--allowed-address=10.0.0.0/8",
        "--allowed-address=2001:db8::/32",
        "--allowed-address=127.0.0.1",
        "--lease-name=queue-operator",
        "--installation=queues/one",
        "--take-over-from=queues/two",
        "--take-over-from=queues/three",
        "--identity=$(WQJ_POD_NAME)_$(WQJ_POD_UID)",
        "--poll-interval-seconds=6",
    ]


def test_digest_takes_the_place_of_the_tag(full: Rendering) -> None:
    assert full.container()["image"] == f"registry.example/queues/operator@sha256:{'a' * 64}"
    worker = f"registry.example/queues/worker@sha256:{'b' * 64}"
    assert environment_of(full)["WQJ_WORKER_IMAGE"] == worker


def test_operator_is_told_how_pods_pull_the_workers_image(
    default: Rendering, full: Rendering
) -> None:
    policy = "WQJ_WORKER_IMAGE_PULL_POLICY"
    assert environment_of(default)[policy] == "IfNotPresent"
    assert environment_of(full)[policy] == "Always"


def test_probes_ask_the_port_by_name(default: Rendering) -> None:
    container = default.container()
    paths = {kind: container[kind]["httpGet"] for kind in container if kind.endswith("Probe")}
    assert paths == {
        "startupProbe": {"path": "/healthz", "port": "http"},
        "livenessProbe": {"path": "/healthz", "port": "http"},
        "readinessProbe": {"path": "/readyz", "port": "http"},
    }
    (port,) = container["ports"]
    assert (port["name"], port["containerPort"]) == ("http", 8080)


def test_pod_is_told_who_and_where_it_is(default: Rendering) -> None:
    told = {
        variable["name"]: variable["valueFrom"]["fieldRef"]["fieldPath"]
        for variable in default.container()["env"]
        if "valueFrom" in variable
    }
    assert told == {
        "WQJ_POD_NAME": "metadata.name",
        "WQJ_POD_UID": "metadata.uid",
        "WQJ_LEASE_NAMESPACE": "metadata.namespace",
    }


def test_a_new_replica_stands_by_before_an_old_one_ends(default: Rendering) -> None:
    spec = default.one("Deployment")["spec"]
    rolling = {"maxUnavailable": 0, "maxSurge": 1}
    assert (spec["replicas"], spec["strategy"]) == (
        1,
        {"type": "RollingUpdate", "rollingUpdate": rolling},
    )


def test_replicas_prefer_different_nodes_and_never_insist(default: Rendering) -> None:
    constraints = default.pod()["spec"]["topologySpreadConstraints"]
    assert [one["topologyKey"] for one in constraints] == [
        "kubernetes.io/hostname",
        "topology.kubernetes.io/zone",
    ]
    labels = default.pod()["metadata"]["labels"].items()
    for constraint in constraints:
        assert constraint["whenUnsatisfiable"] == "ScheduleAnyway"
        assert constraint["labelSelector"]["matchLabels"].items() <= labels


def test_a_node_can_always_be_drained(default: Rendering) -> None:
    assert default.one("PodDisruptionBudget")["spec"]["maxUnavailable"] == 1


def test_pod_takes_what_a_cluster_wants_of_it(full: Rendering, full_values: Manifest) -> None:
    pod = full.pod()
    spec = pod["spec"]
    for name in ("nodeSelector", "tolerations", "affinity", "topologySpreadConstraints"):
        assert spec[name] == full_values[name]
    assert spec["priorityClassName"] == "system-cluster-critical"
    assert spec["imagePullSecrets"] == [{"name": "registry"}]
    assert pod["metadata"]["annotations"] == full_values["podAnnotations"]
    assert environment_of(full)["SSL_CERT_FILE"] == "/ca/ca.crt"
    assert full.container()["resources"] == full_values["resources"]
    assert full_values["extraVolumes"][0] in spec["volumes"]
    assert full_values["extraVolumeMounts"][0] in full.container()["volumeMounts"]


def test_selectors_find_the_pod_whatever_its_labels(full: Rendering) -> None:
    labels = full.pod()["metadata"]["labels"].items()
    service = full.one("Service")
    selectors = [
        full.one("Deployment")["spec"]["selector"]["matchLabels"],
        full.one("PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        full.one("NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
        service["spec"]["selector"],
    ]
    assert all(selector.items() <= labels for selector in selectors)
    monitored = full.one("ServiceMonitor")["spec"]["selector"]["matchLabels"].items()
    assert monitored <= service["metadata"]["labels"].items()
    assert ("example.com/team", "queues") in labels


def test_metrics_are_for_the_releases_namespace_unless_peers_are_named(
    default: Rendering, full: Rendering
) -> None:
    (rule,) = default.one("NetworkPolicy")["spec"]["ingress"]
    assert rule["from"] == [{"podSelector": {}}]
    (rule,) = full.one("NetworkPolicy")["spec"]["ingress"]
    (peer,) = rule["from"]
    assert peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"] == "monitoring"


def test_network_policy_limits_egress_only_with_rules(default: Rendering, full: Rendering) -> None:
    open_policy = default.one("NetworkPolicy")["spec"]
    assert open_policy["policyTypes"] == ["Ingress"]
    closed = full.one("NetworkPolicy")["spec"]
    assert closed["policyTypes"] == ["Ingress", "Egress"]
    ports = {port["port"] for rule in closed["egress"] for port in rule["ports"]}
    assert ports == {53, 5672}


def test_alerts_use_metrics_and_names_that_exist(full: Rendering) -> None:
    (group,) = full.one("PrometheusRule")["spec"]["groups"]
    rules = {rule["alert"]: rule for rule in group["rules"]}
    assert set(rules) == {
        "WorkQueueJobOperatorDown",
        "WorkQueueJobFailed",
        "WorkQueueJobQueueUnreachable",
        "WorkQueueJobOperatorConflict",
    }
    assert 'job="queue-operator"' in rules["WorkQueueJobOperatorDown"]["expr"]
    assert rules["WorkQueueJobQueueUnreachable"]["for"] == "15m"
    expressions = " ".join(rule["expr"] for rule in rules.values())
    assert set(re.findall(r"wqj_\w+", expressions)) == {"wqj_leader", "wqj_workqueuejobs"}
    assert set(re.findall(r'reason="(\w+)"', expressions)) == {
        "Failed",
        "QueueUnavailable",
        OPERATOR_CONFLICT,
    }
    assert "{{ $labels.namespace }}" in rules["WorkQueueJobFailed"]["annotations"]["summary"]


def test_metrics_keep_the_workqueuejobs_namespace(full: Rendering) -> None:
    (endpoint,) = full.one("ServiceMonitor")["spec"]["endpoints"]
    assert endpoint["honorLabels"] is True


@pytest.mark.parametrize(
    ("namespaces", "expected"),
    [([], "kubectl get workqueuejobs\n"), (["fruits"], "kubectl get workqueuejobs -n fruits\n")],
)
def test_notes_name_the_next_step(
    helm: Helm, tmp_path: Path, namespaces: list[str], expected: str
) -> None:
    # Helm shows notes only to who installs; as a template they need no cluster.
    chart = tmp_path / "workqueuejob"
    shutil.copytree(CHART, chart)
    notes = (chart / "templates" / "NOTES.txt").read_text()
    text = "kind: Notes\ntext: |\n" + "".join(f"  {line}\n" for line in notes.splitlines())
    (chart / "templates" / "notes.yaml").write_text(text)
    shown = helm.template({"watchNamespaces": namespaces}, chart).one("Notes")["text"]
    assert expected in shown
    assert "rollout status deployment/workqueuejob\n" in shown
