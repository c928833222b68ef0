"""Makes and removes the bridge with the node's address, and the routes to pods and Services.

The routes keep the cluster's packets on this machine.
"""

import json
from pathlib import Path
from typing import Any

from dev.local.commands import run, succeeds
from dev.local.layout import BRIDGE, NODE_ADDRESS, NODE_AND_POD_RANGE, POD_GATEWAY, SERVICE_RANGE

SYSCTLS = Path("/proc/sys")
# The kubelet, kube-proxy and pods' traffic change these on the machine; `down` restores them.
CHANGED_SYSCTLS = (
    "kernel/keys/root_maxbytes",
    "kernel/keys/root_maxkeys",
    "kernel/panic",
    "kernel/panic_on_oops",
    "net/ipv4/conf/all/route_localnet",
    "net/ipv4/ip_forward",
    "vm/overcommit_memory",
    "vm/panic_on_oom",
)


def ensure_network(saved_sysctls: Path) -> bool:
    """Make the bridge and its routes unless they are there; return whether any was made."""
    if not saved_sysctls.exists():
        saved_sysctls.parent.mkdir(parents=True, exist_ok=True)
        values = {name: _read_sysctl(name) for name in CHANGED_SYSCTLS}
        saved_sysctls.write_text(json.dumps(values, indent=2))
    made = False
    if _read_sysctl("net/ipv4/ip_forward") != "1":
        (SYSCTLS / "net/ipv4/ip_forward").write_text("1")
        made = True
    if not _link_is_ready():
        if not succeeds(["ip", "link", "show", "dev", BRIDGE]):
            run(["ip", "link", "add", "name", BRIDGE, "type", "bridge"])
        run(["ip", "address", "replace", f"{NODE_ADDRESS}/32", "dev", BRIDGE])
        run(["ip", "link", "set", "dev", BRIDGE, "up"])
        made = True
    for destination in (NODE_AND_POD_RANGE, SERVICE_RANGE):
        # Each pod has a more specific route. Packets for a pod that is gone take this one.
        run(["ip", "route", "replace", destination, "dev", BRIDGE, "src", NODE_ADDRESS])
    return made


def remove_network(saved_sysctls: Path) -> None:
    """Remove the cluster's links, and with them their routes, and restore the sysctls."""
    for link in links_of_cluster(json.loads(run(["ip", "-json", "address"]) or "[]")):
        # A link ends with its pod's network namespace, which may be removed meanwhile.
        succeeds(["ip", "link", "delete", "dev", link])
    if saved_sysctls.exists():
        for name, value in json.loads(saved_sysctls.read_text()).items():
            if value is not None and _read_sysctl(name) != value:
                (SYSCTLS / name).write_text(value)
        saved_sysctls.unlink()


def links_of_cluster(listing: list[dict[str, Any]]) -> list[str]:
    """Return the cluster's links in the output of `ip -json address`.

    They are the bridge, and the host's end of each pod's link, which has the gateway's address.
    """
    links = []
    for link in listing:
        addresses = {entry.get("local") for entry in link.get("addr_info", ())}
        name = link.get("ifname", "")
        if name == BRIDGE or (name.startswith("veth") and POD_GATEWAY in addresses):
            links.append(name)
    return links


def _link_is_ready() -> bool:
    if not succeeds(["ip", "link", "show", "dev", BRIDGE]):
        return False
    described = json.loads(run(["ip", "-json", "address", "show", "dev", BRIDGE]))
    up = any("UP" in link.get("flags", ()) for link in described)
    return up and any(
        entry.get("local") == NODE_ADDRESS
        for link in described
        for entry in link.get("addr_info", ())
    )


def _read_sysctl(name: str) -> str | None:
    try:
        return (SYSCTLS / name).read_text().strip()
    except OSError:
        return None
