"""The files of a test's RabbitMQ: its configuration, and certificates that trustme makes."""

from dataclasses import dataclass
from pathlib import Path

import trustme

ADMIN = ("admin", "admin-p@ss/word")

QUORUM_TICK_SECONDS = 0.5
"""How often a quorum queue writes its totals, which by default it does every 5 s.

Not more often: RabbitMQ before 4.0.6 does not survive a tick in a queue that has yet to write its
first entries. The queue's process dies, and its declaration is answered with 541
(https://github.com/rabbitmq/rabbitmq-server/pull/12950). With ticks of 0.1 s that happened where
the machine was busy.
"""


@dataclass(frozen=True)
class Ports:
    """The ports of one server, all on 127.0.0.1."""

    amqp: int
    amqps: int
    management: int
    management_tls: int
    distribution: int
    epmd: int


@dataclass(frozen=True)
class Certificates:
    """PEM bytes: the server's CA, a CA that it does not know, and a client's pair of each."""

    ca: bytes
    other_ca: bytes
    client_certificate: bytes
    client_key: bytes
    other_client_certificate: bytes
    other_client_key: bytes
    client_name: str = "wqj-client"


def write_certificates(directory: Path) -> Certificates:
    """Write the server's pair and CA below `directory`; return what clients need."""
    ca, other_ca = trustme.CA(), trustme.CA()
    server = ca.issue_cert("localhost", "127.0.0.1")
    client = ca.issue_cert("client.test", common_name=Certificates.client_name)
    other_client = other_ca.issue_cert("client.test", common_name=Certificates.client_name)
    ca.cert_pem.write_to_path(directory / "ca.pem")
    server.cert_chain_pems[0].write_to_path(directory / "server.pem")
    server.private_key_pem.write_to_path(directory / "server.key")
    return Certificates(
        ca=ca.cert_pem.bytes(),
        other_ca=other_ca.cert_pem.bytes(),
        client_certificate=client.cert_chain_pems[0].bytes(),
        client_key=client.private_key_pem.bytes(),
        other_client_certificate=other_client.cert_chain_pems[0].bytes(),
        other_client_key=other_client.private_key_pem.bytes(),
    )


def write_configuration(directory: Path, ports: Ports, *, has_management: bool = True) -> None:
    """Write the node's configuration: every listener on 127.0.0.1, with and without TLS."""
    name, password = ADMIN
    tls = {"cacertfile": "ca.pem", "certfile": "server.pem", "keyfile": "server.key"}
    settings = {
        "listeners.tcp.1": f"127.0.0.1:{ports.amqp}",
        "listeners.ssl.1": f"127.0.0.1:{ports.amqps}",
        **{f"ssl_options.{key}": str(directory / value) for key, value in tls.items()},
        "ssl_options.verify": "verify_peer",
        "ssl_options.fail_if_no_peer_cert": "false",
        "ssl_cert_login_from": "common_name",
        "auth_mechanisms.1": "PLAIN",
        "auth_mechanisms.2": "EXTERNAL",
        "default_user": name,
        "default_pass": password,
        "log.console": "true",
        "log.console.level": "warning",
        "log.file": "false",
        "vm_memory_high_watermark.absolute": "2GB",
        "disk_free_limit.absolute": "1MB",
    }
    plugins = ["rabbitmq_auth_mechanism_ssl"]
    if has_management:
        plugins.append("rabbitmq_management")
        settings |= {
            "management.tcp.ip": "127.0.0.1",
            "management.tcp.port": str(ports.management),
            "management.ssl.ip": "127.0.0.1",
            "management.ssl.port": str(ports.management_tls),
            **{f"management.ssl.{key}": str(directory / value) for key, value in tls.items()},
        }
    lines = [f"{key} = {value}" for key, value in settings.items()]
    (directory / "rabbitmq.conf").write_text("\n".join(lines) + "\n")
    # Quorum queues write their totals, and channels look for late consumers, more often than by
    # default, so that no test need wait for it. A disk need not have what a queue wrote: tests kill
    # processes, not machines.
    (directory / "advanced.config").write_text(
        f"[{{rabbit, [{{quorum_tick_interval, {QUORUM_TICK_SECONDS * 1000:.0f}}},"
        " {channel_tick_interval, 500}]},"
        " {ra, [{wal_write_strategy, sync_after_notify}]}].\n"
    )
    (directory / "enabled_plugins").write_text(f"[{','.join(plugins)}].\n")
