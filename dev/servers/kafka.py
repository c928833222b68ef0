"""A real Kafka for tests: one KRaft node from Kafka's own jars, as a process of its own.

It listens on 127.0.0.1 only, with and without TLS and SASL, in a directory of its own and with a
small heap, and what was started is stopped by its process id.
"""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from dev.local.kafka import ensure_kafka
from dev.local.layout import build_layout
from dev.servers.kafka_configuration import (
    ADMIN,
    ANN,
    Certificates,
    Ports,
    scram_options,
    write_certificates,
    write_logging,
    write_properties,
)
from dev.servers.ports import find_free_ports
from dev.servers.suspension import suspended

__all__ = ["ADMIN", "ANN", "KafkaServer", "kafka_server", "running_kafka"]

CLUSTER_ID = "d3FqLXRlc3Qtb2YtYTAwMA"
START_TIMEOUT_SECONDS = 120.0
STOP_TIMEOUT_SECONDS = 30.0
JAVA_OPTIONS = ("-Xms128m", "-Xmx320m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xss512k")


@dataclass
class KafkaServer:
    """One node. `host` is 127.0.0.1, for which its certificate is valid.

    Without SASL every client may do everything, and with it only ADMIN.
    """

    directory: Path
    jars: Path
    ports: Ports
    certificates: Certificates
    host: str = "127.0.0.1"
    _process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap(self) -> str:
        """`host:port` of the listener without TLS and SASL."""
        return f"{self.host}:{self.ports.plain}"

    def admin(self) -> AdminClient:
        """Return an administrator's client."""
        return AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})

    def format(self) -> None:
        """Make the node's storage; call it once."""
        self._java(
            "kafka.tools.StorageTool",
            *("format", "--cluster-id", CLUSTER_ID, "--config", "server.properties"),
            *scram_options(),
        ).wait(START_TIMEOUT_SECONDS)

    def start(self) -> None:
        """Start the node and wait until it answers."""
        self._process = self._java("kafka.Kafka", "server.properties")
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            if self._answers():
                return
        self.stop(kill=True)
        tail = (self.directory / "console.log").read_text(errors="replace")[-4000:]
        raise RuntimeError(f"the node did not start:\n{tail}")

    def stop(self, *, kill: bool = False) -> None:
        """Stop the node with SIGTERM, or kill it."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_TIMEOUT_SECONDS)
        process.kill()
        process.wait(STOP_TIMEOUT_SECONDS)

    def restart(self) -> None:
        """Stop and start the node; what it held stays."""
        self.stop()
        self.start()

    def suspended(self) -> AbstractContextManager[None]:
        """Stop the node's process for the duration: it answers nothing, and closes nothing."""
        return suspended(self._process)

    def _java(self, *arguments: str) -> subprocess.Popen[bytes]:
        logging = f"-Dlog4j2.configurationFile={self.directory / 'log4j2.yaml'}"
        with (self.directory / "console.log").open("ab") as log:
            return subprocess.Popen(
                ["java", *JAVA_OPTIONS, logging, "-cp", f"{self.jars}/*", *arguments],
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def _answers(self) -> bool:
        # librdkafka takes a second to ask a node that does not listen yet.
        with suppress(ConnectionRefusedError, KafkaException):
            socket.create_connection((self.host, self.ports.plain)).close()
            admin = self.admin()
            # A node makes its topic of offsets when it is first asked for a group.
            admin.describe_consumer_groups(["none"], request_timeout=5)["none"].result(6)
            return True
        time.sleep(0.05)
        return False


@contextmanager
def running_kafka(directory: Path, **properties: str) -> Iterator[KafkaServer]:
    """Run one node below `directory` for the duration of the block.

    properties: of the node, with underscores for dots.
    """
    jars = ensure_kafka(build_layout())
    directory.mkdir(exist_ok=True)
    server = KafkaServer(directory, jars, Ports(*find_free_ports(5)), write_certificates(directory))
    extra = {name.replace("_", "."): value for name, value in properties.items()}
    write_properties(directory, server.host, server.ports, extra)
    write_logging(directory)
    try:
        server.format()
        server.start()
        yield server
    finally:
        server.stop(kill=True)


@pytest.fixture(scope="session")
def kafka_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaServer]:
    """Yield one node for the session, under pytest-xdist one for each worker."""
    for program, package in (("java", "openjdk-17-jre-headless"), ("mvn", "maven")):
        if shutil.which(program) is None:
            if os.environ.get("CI"):
                pytest.fail(f"{program} is not installed; apt-get install {package}")
            pytest.skip(f"{program} is not installed")
    with running_kafka(tmp_path_factory.mktemp("kafka") / "node") as server:
        yield server
