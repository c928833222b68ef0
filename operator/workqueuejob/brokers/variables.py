"""Environment variables of containers, as Kubernetes' API has them. Pure."""

from workqueuejob.api import SecretKeyReference
from workqueuejob.brokers.sides import Variable
from workqueuejob.contract.settings import BROKER_URL


def plain(name: str, value: str) -> Variable:
    """Return a variable with a value that everybody may read."""
    # $(NAME) is Kubernetes' own reference to another variable, and $$ is a dollar.
    return {"name": name, "value": value.replace("$", "$$")}


def from_secret(name: str, secret: str, key: str) -> Variable:
    """Return a variable that the kubelet fills in."""
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}


def from_reference(name: str, reference: SecretKeyReference) -> Variable:
    """Return a variable that the kubelet fills in from what a spec refers to."""
    return from_secret(name, reference.name, reference.key)


def build_url(url: str) -> Variable:
    """Return `BROKER_URL`, in which the kubelet puts references such as $(WQJ_BROKER_PASSWORD)."""
    return {"name": BROKER_URL, "value": url}
