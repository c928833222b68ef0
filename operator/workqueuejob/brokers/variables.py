"""Environment variables of containers, as Kubernetes' API has them. Pure."""

from workqueuejob.api import SecretKeyReference
from workqueuejob.brokers.secrets import LoginReference
from workqueuejob.brokers.sides import Variable
from workqueuejob.contract.settings import BROKER_PASSWORD, BROKER_URL, BROKER_USERNAME


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


def from_login(
    reference: LoginReference | None,
    *,
    username: str | None = None,
    names: tuple[str, str] = (BROKER_USERNAME, BROKER_PASSWORD),
) -> list[Variable]:
    """Return the variables of user name and password, as far as there are any.

    username: the one beside the reference, which then counts. names: those of the variables.
    """
    if reference is None:
        return []
    password = from_secret(names[1], reference.name, reference.password_key)
    if username is not None:
        return [plain(names[0], username), password]
    if reference.username_key is None:
        return [password]
    return [from_secret(names[0], reference.name, reference.username_key), password]


def build_url(url: str) -> Variable:
    """Return `BROKER_URL`, in which the kubelet puts references such as $(WQJ_BROKER_PASSWORD)."""
    return {"name": BROKER_URL, "value": url}
