"""The files of a test's Kafka: its properties, its users, and certificates that trustme makes."""

from dataclasses import dataclass
from pathlib import Path

import trustme
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

ADMIN = ("admin", 'admin-p@ss/"word\\')
"""Who may do everything, by PLAIN and by SCRAM."""

ANN = ("ann", "ann-secret")
"""Who may log in, and do only what an ACL allows."""

_PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule"
_SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule"
_MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")


@dataclass(frozen=True)
class Ports:
    """The ports of one node, all on 127.0.0.1."""

    plain: int
    tls: int
    sasl: int
    sasl_tls: int
    controller: int


@dataclass(frozen=True)
class Certificates:
    """PEM bytes: the node's CA, a CA that it does not know, and a client's pair of each."""

    ca: bytes
    other_ca: bytes
    client: tuple[bytes, bytes]
    other_client: tuple[bytes, bytes]


def write_certificates(directory: Path) -> Certificates:
    """Write the node's pair and CA below `directory`; return what clients need."""
    ca, other_ca = trustme.CA(), trustme.CA()
    # For the address only, so that a client that connects to localhost finds another name.
    node = ca.issue_cert("127.0.0.1")
    ca.cert_pem.write_to_path(directory / "ca.pem")
    key = load_pem_private_key(node.private_key_pem.bytes(), None)
    # Kafka reads PKCS #8 only.
    pkcs8 = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (directory / "server.pem").write_bytes(pkcs8 + node.cert_chain_pems[0].bytes())
    return Certificates(
        ca=ca.cert_pem.bytes(),
        other_ca=other_ca.cert_pem.bytes(),
        client=_issue(ca),
        other_client=_issue(other_ca),
    )


def write_properties(directory: Path, host: str, ports: Ports, extra: dict[str, str]) -> Path:
    """Write the node's properties: one broker that is its own controller, all on one address."""
    listeners = {
        "PLAINTEXT": ports.plain,
        "SSL": ports.tls,
        "SASL_PLAINTEXT": ports.sasl,
        "SASL_SSL": ports.sasl_tls,
        "CONTROLLER": ports.controller,
    }
    properties = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@{host}:{ports.controller}",
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": ",".join(
            f"{name}:{'PLAINTEXT' if name == 'CONTROLLER' else name}" for name in listeners
        ),
        "listeners": ",".join(f"{name}://{host}:{port}" for name, port in listeners.items()),
        "log.dirs": str(directory / "log"),
        "sasl.enabled.mechanisms": ",".join(_MECHANISMS),
        **_logins("sasl_plaintext"),
        **_logins("sasl_ssl"),
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(directory / "server.pem"),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(directory / "ca.pem"),
        "ssl.client.auth": "requested",
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": f"User:ANONYMOUS;User:{ADMIN[0]}",
        # One node can't hold three copies of anything.
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "1",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "transaction.state.log.num.partitions": "1",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        # So that tests need not wait for it.
        "group.initial.rebalance.delay.ms": "0",
        "group.min.session.timeout.ms": "500",
        "log.cleaner.backoff.ms": "200",
        "log.retention.check.interval.ms": "500",
        "log.segment.delete.delay.ms": "100",
        "log.initial.task.delay.ms": "500",
        "num.network.threads": "2",
        "num.io.threads": "2",
        **extra,
    }
    path = directory / "server.properties"
    # A backslash would escape what follows it.
    lines = [f"{key}={value.replace(chr(92), chr(92) * 2)}" for key, value in properties.items()]
    path.write_text("\n".join(lines) + "\n")
    return path


def write_logging(directory: Path) -> Path:
    """Write the logging configuration: warnings go to the console."""
    path = directory / "log4j2.yaml"
    path.write_text(
        "Configuration:\n"
        "  Appenders: {Console: {name: out, PatternLayout: {pattern: '%d %p %m (%c)%n'}}}\n"
        "  Loggers: {Root: {level: WARN, AppenderRef: {ref: out}}}\n"
    )
    return path


def scram_options() -> list[str]:
    """Return StorageTool's options for the users of SCRAM."""
    return [
        option
        for mechanism in _MECHANISMS
        if mechanism != "PLAIN"
        for name, password in (ADMIN, ANN)
        for option in ("--add-scram", f'{mechanism}=[name="{name}",password="{password}"]')
    ]


def _logins(listener: str) -> dict[str, str]:
    users = " ".join(f'user_{name}="{_escape(password)}"' for name, password in (ADMIN, ANN))
    prefix = f"listener.name.{listener}"
    return {
        f"{prefix}.plain.sasl.jaas.config": f"{_PLAIN} required {users};",
        f"{prefix}.scram-sha-256.sasl.jaas.config": f"{_SCRAM} required;",
        f"{prefix}.scram-sha-512.sasl.jaas.config": f"{_SCRAM} required;",
    }


def _escape(password: str) -> str:
    return password.replace("\\", "\\\\").replace('"', '\\"')


def _issue(ca: trustme.CA) -> tuple[bytes, bytes]:
    pair = ca.issue_cert("client.test", common_name="wqj-client")
    return pair.cert_chain_pems[0].bytes(), pair.private_key_pem.bytes()
