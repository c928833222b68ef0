"""A wrong value is refused by name before anything is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

if TYPE_CHECKING:
    from tests.chart.conftest import Helm

REFUSED = [
    ("{replicas: 6}", "/replicas", "got 6, want 5"),
    ("{replicas: one}", "/replicas", "want integer"),
    ("{allowedHosts: '*.svc'}", "/allowedHosts", "want array"),
    ("{allowedHosts: ['http://mq']}", "/allowedHosts/0", "does not match"),
    ("{allowedHosts: ['m*q']}", "/allowedHosts/0", "does not match"),
    ("{allowedHosts: ['a,b']}", "/allowedHosts/0", "does not match"),
    ("{allowedHosts: ['*.<name>.svc']}", "/allowedHosts/0", "does not match"),
    ("{allowedAddresses: [mq.example]}", "/allowedAddresses/0", "does not match"),
    ("{allowedAddresses: ['10.0.0.0/8, 11.0.0.0/8']}", "/allowedAddresses/0", "does not match"),
    ("{logFormat: xml}", "/logFormat", "'json', 'text'"),
    ("{logLevel: verbose}", "/logLevel", "'debug', 'info', 'warning', 'error'"),
    ("{pollIntervalSeconds: 0}", "/pollIntervalSeconds", "got 0, want 0.1"),
    ("{httpPort: 80}", "/httpPort", "got 80, want 1,024"),
    ("{watchNamespaces: fruits}", "/watchNamespaces", "want array"),
    ("{watchNamespaces: ['a,b']}", "/watchNamespaces/0", "'a,b' does not match"),
    ("{watchNamespaces: [a, a]}", "/watchNamespaces", "equal"),
    ("{excludeNamespaces: ['a,b']}", "/excludeNamespaces/0", "'a,b' does not match"),
    ("{excludeNamespaces: [a], watchNamespaces: [b]}", "excludeNamespaces", "set one of the two"),
    ("{installation: queues}", "/installation", "'queues' does not match"),
    ("{takeOverFrom: [Queues/one]}", "/takeOverFrom/0", "'Queues/one' does not match"),
    ("{takeOverFrom: ['']}", "/takeOverFrom/0", "'' does not match"),
    ("{image: {pullPolicy: Sometimes}}", "/image/pullPolicy", "'IfNotPresent'"),
    ("{image: {digest: latest}}", "/image/digest", "sha256"),
    ("{image: {repository: ''}}", "/image/repository", "minLength"),
    ("{image: {name: x}}", "/image", "'name' not allowed"),
    ("{worker: {image: {tag: 'a b'}}}", "/worker/image/tag", "'a b' does not match"),
    ("{worker: {image: {pullSecrets: [x]}}}", "/worker/image", "'pullSecrets' not allowed"),
    ("{crds: {enabled: true}}", "/crds", "'enabled' not allowed"),
    ("{replicaCount: 1}", "at ''", "'replicaCount' not allowed"),
    ("{extraEnv: [{value: x}]}", "/extraEnv/0", "missing property 'name'"),
    ("{podAnnotations: {a: 1}}", "/podAnnotations/a", "want string"),
    ("{livenessProbe: {httpGet: {path: /}}}", "/livenessProbe", "'httpGet' not allowed"),
    ("{podDisruptionBudget: {maxUnavailable: 101%}}", "/podDisruptionBudget/maxUnavailable", ""),
    ("{serviceMonitor: {interval: 30}}", "/serviceMonitor/interval", "want string"),
    ("{serviceMonitor: {enabled: true}, service: {enabled: false}}", "service.enabled", "needs"),
]


@pytest.mark.parametrize(("values", "name", "reason"), REFUSED)
def test_refusal_names_the_value_and_what_it_may_be(
    helm: Helm, values: str, name: str, reason: str
) -> None:
    refusal = helm.refusal(yaml.safe_load(values))
    assert name in refusal
    assert reason in refusal
