"""A real Redis for tests: Debian's redis-server as a process of its own, the machine's or a chosen
version of it or of Valkey (`dev.servers.installation`).

It listens on 127.0.0.1 only, with and without TLS, in a directory of its own, and everything that
was started is stopped by its process id. It never touches a system-wide Redis.
"""

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import redis
import trustme

from dev.servers.installation import Installation, find_installation
from dev.servers.ports import find_free_ports
from dev.servers.suspension import suspended
from workqueuejob.brokers.redis.settings import RedisConnection, Sentinel

__all__ = ["RedisServer", "Sentinels", "redis_server", "running_redis", "running_sentinels"]

START_TIMEOUT_SECONDS = 20.0
STOP_TIMEOUT_SECONDS = 10.0
MASTER = "mymaster"


@dataclass(frozen=True)
class Certificates:
    """PEM bytes: the server's CA, a CA that it does not know, and a client's pair of each."""

    ca: bytes
    other_ca: bytes
    client: tuple[bytes, bytes]
    other_client: tuple[bytes, bytes]


@dataclass
class RedisServer:
    """One server. `tls_port` demands a client's certificate if `client_certificates` is set."""

    directory: Path
    port: int
    tls_port: int
    certificates: Certificates
    installation: Installation
    options: tuple[str, ...] = ()
    host: str = "127.0.0.1"
    _process: subprocess.Popen[bytes] | None = None

    @property
    def connection(self) -> RedisConnection:
        """Connection settings of the default user, without TLS."""
        return RedisConnection(host=self.host, port=self.port)

    def client(self, **settings: Any) -> "redis.Redis":
        """Return a plain client of redis-py."""
        return redis.Redis(host=self.host, port=self.port, socket_timeout=10, **settings)

    def start(self) -> None:
        """Start the server and wait until it answers."""
        directory = self.directory
        self._process = _start(
            self.installation,
            directory,
            "server",
            *("--port", str(self.port), "--tls-port", str(self.tls_port), "--bind", self.host),
            *("--dir", str(directory), "--appendonly", "yes", "--appendfsync", "no", "--save", ""),
            *("--tls-cert-file", str(directory / "server.pem")),
            *("--tls-key-file", str(directory / "server.key")),
            *("--tls-ca-cert-file", str(directory / "ca.pem"), "--tls-auth-clients", "optional"),
            *self.options,
        )
        _await(self._process, directory, self._answers)

    def stop(self, *, kill: bool = False) -> None:
        """Stop the server with SIGTERM, or kill it."""
        process, self._process = self._process, None
        _stop(process, kill=kill)

    def restart(self) -> None:
        """Stop and start the server; what it held stays."""
        self.stop()
        self.start()

    def suspended(self) -> AbstractContextManager[None]:
        """Stop the server's process for the duration: it answers nothing, and closes nothing."""
        return suspended(self._process)

    def _answers(self) -> bool:
        with suppress(redis.AuthenticationError), self.client() as client:
            client.ping()
        return True


@dataclass
class Sentinels:
    """A master, a replica of it, and the one Sentinel that watches them."""

    servers: tuple[RedisServer, RedisServer]
    port: int

    @property
    def connection(self) -> RedisConnection:
        """Connection settings with which a client asks the Sentinel for the master."""
        return RedisConnection(sentinel=Sentinel(MASTER, (f"127.0.0.1:{self.port}",)))

    @property
    def master(self) -> RedisServer:
        """The present master, as the Sentinel says."""
        with redis.Redis(port=self.port) as client:
            address: Any = client.sentinel_get_master_addr_by_name(MASTER)
        return next(server for server in self.servers if server.port == int(address[1]))

    def fail_over(self) -> None:
        """Have the replica become the master, and wait until both know."""
        before = self.master
        with redis.Redis(port=self.port) as client:
            _until(lambda: bool(client.sentinel_failover(MASTER)))
        _until(lambda: self.master is not before)
        _until(lambda: _role(self.master) == b"master" and _role(before) == b"slave")


@contextmanager
def running_redis(directory: Path, *options: str) -> Iterator[RedisServer]:
    """Run one server below `directory` for the duration of the block."""
    directory.mkdir(exist_ok=True)
    port, tls_port = find_free_ports(2)
    certificates, installation = _write_certificates(directory), find_installation("redis")
    server = RedisServer(directory, port, tls_port, certificates, installation, options)
    try:
        server.start()
        yield server
    finally:
        server.stop(kill=True)


@contextmanager
def running_sentinels(directory: Path) -> Iterator[Sentinels]:
    """Run a master, a replica and a Sentinel."""
    with ExitStack() as stack:
        master = stack.enter_context(
            running_redis(directory / "one", "--repl-diskless-sync-delay", "0")
        )
        follows = ("--replicaof", master.host, str(master.port))
        replica = stack.enter_context(
            running_redis(directory / "two", "--repl-diskless-sync-delay", "0", *follows)
        )
        (port,) = find_free_ports(1)
        configuration = directory / "sentinel.conf"
        configuration.write_text(
            f"bind 127.0.0.1\nport {port}\ndir {directory}\n"
            f"sentinel monitor {MASTER} {master.host} {master.port} 1\n"
            f"sentinel down-after-milliseconds {MASTER} 1000\n"
            f"sentinel failover-timeout {MASTER} 3000\n"
        )
        process = _start(master.installation, directory, "sentinel", str(configuration))
        stack.callback(_stop, process, kill=True)
        _await(process, directory, lambda: _knows_replica(port))
        yield Sentinels((master, replica), port)


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """Yield one server for the session, under pytest-xdist one for each worker."""
    require("server")
    with running_redis(tmp_path_factory.mktemp("redis") / "server") as server:
        yield server


def require(role: str) -> None:
    """Skip the test where the Debian package of a server or sentinel is missing; fail it in CI."""
    installation = find_installation("redis")
    program = f"{installation.program}-{role}"
    installation.require(program, package=program)


def _write_certificates(directory: Path) -> Certificates:
    ca, other_ca = trustme.CA(), trustme.CA()
    server = ca.issue_cert("localhost", "127.0.0.1")
    ca.cert_pem.write_to_path(directory / "ca.pem")
    server.cert_chain_pems[0].write_to_path(directory / "server.pem")
    server.private_key_pem.write_to_path(directory / "server.key")
    return Certificates(
        ca=ca.cert_pem.bytes(),
        other_ca=other_ca.cert_pem.bytes(),
        client=_issue(ca),
        other_client=_issue(other_ca),
    )


def _issue(ca: trustme.CA) -> tuple[bytes, bytes]:
    pair = ca.issue_cert("client.test", common_name="wqj-client")
    return pair.cert_chain_pems[0].bytes(), pair.private_key_pem.bytes()


def _start(
    installation: Installation, directory: Path, role: str, *arguments: str
) -> subprocess.Popen[bytes]:
    program = f"{installation.program}-{role}"
    command = installation.command(program, *arguments, directory=directory)
    with (directory / "console.log").open("ab") as log:
        return subprocess.Popen(
            command, cwd=directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )


def _stop(process: subprocess.Popen[bytes] | None, *, kill: bool = False) -> None:
    if process is None:
        return
    process.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOP_TIMEOUT_SECONDS)
    process.kill()
    process.wait(STOP_TIMEOUT_SECONDS)


def _await(process: subprocess.Popen[bytes], directory: Path, answers: Callable[[], bool]) -> None:
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        with suppress(redis.RedisError):
            if answers():
                return
        time.sleep(0.02)
    _stop(process, kill=True)
    tail = (directory / "console.log").read_text(errors="replace")[-4000:]
    raise RuntimeError(f"the server did not start:\n{tail}")


def _knows_replica(port: int) -> bool:
    with redis.Redis(port=port) as client:
        replicas: Any = client.sentinel_slaves(MASTER)
        return any(not replica["is_sdown"] for replica in replicas)


def _role(server: RedisServer) -> bytes:
    with server.client() as client:
        role: Any = client.role()
        return bytes(role[0])


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        with suppress(redis.RedisError):
            if holds():
                return
        time.sleep(0.05)
    raise RuntimeError("the Sentinel did not do it in time")
