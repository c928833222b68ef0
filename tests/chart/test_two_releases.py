"""The chart installed several times in one cluster: no two releases make the same object."""

from __future__ import annotations

from collections import Counter
from itertools import product
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.chart.conftest import Helm, Rendering

RELEASES = [("wqj", "queues-a"), ("wqj", "queues-b"), ("blue", "queues-a")]
"""Of one name in two namespaces, and of two names in one namespace."""

WITHOUT_CRD: dict[str, object] = {
    "crds": {"install": False},
    "networkPolicy": {"enabled": True},
    "serviceMonitor": {"enabled": True},
    "prometheusRule": {"enabled": True},
}


def names_of(rendering: Rendering) -> list[tuple[str, str, str]]:
    return [
        (manifest["kind"], manifest["metadata"].get("namespace", ""), manifest["metadata"]["name"])
        for manifest in rendering.manifests
    ]


@pytest.fixture
def renderings(helm: Helm, served: dict[str, object]) -> list[Rendering]:
    return [
        helm.template({**WITHOUT_CRD, **served}, release=release, namespace=namespace)
        for release, namespace in RELEASES
    ]


@pytest.mark.parametrize(
    "served",
    [
        {},
        {"excludeNamespaces": ["shop"]},
        # The same one: while a namespace is handed over, both releases may have roles there. Also
        # the namespace of a release.
        {"watchNamespaces": ["shop", "queues-a"]},
    ],
)
def test_no_object_is_in_two_releases(renderings: list[Rendering]) -> None:
    count = Counter(name for rendering in renderings for name in names_of(rendering))

    assert [name for name, number in count.items() if number > 1] == []


@pytest.mark.parametrize("served", [{}])
def test_each_release_is_an_installation_with_a_lease(renderings: list[Rendering]) -> None:
    arguments = [rendering.container()["args"] for rendering in renderings]
    installations = [pick(args, "--installation=") for args in arguments]
    leases = [
        (rendering.one("Deployment")["metadata"]["namespace"], pick(args, "--lease-name="))
        for rendering, args in zip(renderings, arguments, strict=True)
    ]

    assert installations == ["queues-a/wqj", "queues-b/wqj", "queues-a/blue"]
    assert len(set(leases)) == len(leases)


@pytest.mark.parametrize("served", [{}])
def test_selectors_of_one_release_find_no_pod_of_another(renderings: list[Rendering]) -> None:
    for one, other in product(renderings, renderings):
        selector = one.one("Deployment")["spec"]["selector"]["matchLabels"]
        same_namespace = (
            one.one("Deployment")["metadata"]["namespace"]
            == other.one("Deployment")["metadata"]["namespace"]
        )
        finds = selector.items() <= other.pod()["metadata"]["labels"].items()
        assert one is other or not (same_namespace and finds)


def test_definition_is_the_one_object_that_only_one_release_may_have(helm: Helm) -> None:
    (first, second) = (
        set(names_of(helm.template({}, release="wqj", namespace=namespace)))
        for namespace in ("queues-a", "queues-b")
    )

    assert {kind for kind, _, _ in first & second} == {"CustomResourceDefinition"}


def test_namespaces_of_the_others_are_excluded_by_argument(helm: Helm) -> None:
    arguments = helm.template({"excludeNamespaces": ["shop", "bank"]}).container()["args"]

    assert arguments[1:3] == ["--exclude-namespace=shop", "--exclude-namespace=bank"]


def pick(arguments: list[str], prefix: str) -> str:
    (value,) = [text.removeprefix(prefix) for text in arguments if text.startswith(prefix)]
    return value
