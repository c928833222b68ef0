"""Makes the iptables rules that keep pods' packets in the cluster, and removes the cluster's rules.

The removal touches only chains named KUBE-*, CNI-* and WQJ-*, and the rules that jump to them.
"""

from itertools import pairwise

from dev.local.commands import run, succeeds
from dev.local.layout import CLUSTER_RANGE, POD_RANGE

OWN_PREFIXES = ("KUBE-", "CNI-", "WQJ-")
FORWARD_CHAIN = "WQJ-FORWARD"
PROGRAMS = ("iptables", "ip6tables")


def ensure_forwarding() -> bool:
    """Let pods reach each other, whatever the machine's policy, and nothing outside.

    Returns whether rules were made.
    """
    if succeeds(["iptables", "-w", "-C", "FORWARD", "-j", FORWARD_CHAIN]):
        return False
    script = "\n".join(
        (
            "*filter",
            f":{FORWARD_CHAIN} - [0:0]",
            f"-A {FORWARD_CHAIN} -s {POD_RANGE} ! -d {CLUSTER_RANGE} -j REJECT",
            f"-A {FORWARD_CHAIN} -s {POD_RANGE} -j ACCEPT",
            f"-A {FORWARD_CHAIN} -d {POD_RANGE} -j ACCEPT",
            f"-I FORWARD -j {FORWARD_CHAIN}",
            "COMMIT\n",
        )
    )
    run(["iptables-restore", "-w", "--noflush"], text_input=script)
    return True


def remove_rules() -> None:
    """Remove the cluster's rules of both address families, if there are any."""
    for program in PROGRAMS:
        script = build_removal_script(run([f"{program}-save"]))
        if script:
            run([f"{program}-restore", "-w", "--noflush"], text_input=script)


def build_removal_script(saved: str) -> str:
    """Return the input of `iptables-restore --noflush` that removes the cluster's rules.

    saved: the output of iptables-save. The result is empty if the cluster has no rules.
    """
    script: list[str] = []
    for table in _split_tables(saved):
        own_chains = [
            line[1:].split()[0] for line in table if line.startswith(":") and _is_own(line[1:])
        ]
        foreign_rules = (line for line in table if line.startswith("-A ") and not _is_own(line[3:]))
        removals = [f"-D {rule[3:]}" for rule in foreign_rules if _jumps_to_own(rule)]
        removals += [f"-F {chain}" for chain in own_chains] + [
            f"-X {chain}" for chain in own_chains
        ]
        if removals:
            script += [table[0], *removals, "COMMIT"]
    return "\n".join(script) + "\n" if script else ""


def _split_tables(saved: str) -> list[list[str]]:
    tables: list[list[str]] = []
    for line in saved.splitlines():
        if line.startswith("*"):
            tables.append([])
        if tables and line and not line.startswith("#"):
            tables[-1].append(line)
    return tables


def _is_own(chain_and_more: str) -> bool:
    return chain_and_more.startswith(OWN_PREFIXES)


def _jumps_to_own(rule: str) -> bool:
    words = rule.split()
    targets = (following for word, following in pairwise(words) if word in ("-j", "-g"))
    return any(_is_own(target) for target in targets)
