"""What a host in a spec means to the operator, which lives in another namespace."""

from ipaddress import ip_address


def resolve_host(host: str, namespace: str) -> str:
    """Return a host that means the same in the operator's namespace as in the object's.

    A name without a dot is a Service beside the WorkQueueJob: `mq` is `mq.<namespace>.svc`.
    """
    if "." in host or host == "localhost" or _is_ip_address(host):
        return host
    return f"{host}.{namespace}.svc"


def _is_ip_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
