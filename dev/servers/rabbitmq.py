"""Runs a real RabbitMQ for tests: Debian's rabbitmq-server, the machine's or a chosen version.

It listens on 127.0.0.1 only. Node name, data directory, cookie, ports and epmd are its own, so a
RabbitMQ of the machine stays untouched. What was started is stopped by its process id. Users,
queues and permissions are made over the management API, because a call of rabbitmqctl takes
seconds; a node without that API has many made at once. `dev.servers.installation` finds the
programs.
"""

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import urllib3

from dev.servers.installation import Installation, find_installation
from dev.servers.ports import find_free_ports
from dev.servers.rabbitmq_configuration import (
    ADMIN,
    Certificates,
    Ports,
    write_certificates,
    write_configuration,
)

__all__ = ["ADMIN", "RabbitMQServer", "rabbitmq_server", "running_rabbitmq"]

SERVER = "/usr/lib/rabbitmq/bin/rabbitmq-server"
START_TIMEOUT_SECONDS = 120.0
STOP_TIMEOUT_SECONDS = 30.0


@dataclass
class RabbitMQServer:
    """One node. `host` is 127.0.0.1; TLS certificates are for localhost and 127.0.0.1."""

    directory: Path
    ports: Ports
    certificates: Certificates
    installation: Installation
    host: str = "127.0.0.1"
    has_management: bool = True
    """Without it, everything that needs `api` fails."""
    _process: subprocess.Popen[bytes] | None = None
    _http: urllib3.PoolManager = field(default_factory=urllib3.PoolManager)

    @property
    def management_url(self) -> str:
        """The plain management API's address."""
        return f"http://{self.host}:{self.ports.management}"

    @property
    def _node(self) -> str:
        return f"wqj-test-{self.ports.amqp}@localhost"

    @property
    def version(self) -> tuple[int, int]:
        """The release series that runs, such as (3, 10)."""
        major, minor, _ = str(self.api("GET", "overview")["rabbitmq_version"]).split(".", 2)
        return int(major), int(minor)

    def start(self) -> None:
        """Start the node and wait until it answers."""
        log = (self.directory / "console.log").open("ab")
        with log:
            self._process = subprocess.Popen(
                self.installation.command(SERVER, directory=self.directory),
                env=self._environment(),
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._wait_until_ready(time.monotonic() + START_TIMEOUT_SECONDS)

    def stop(self, *, kill: bool = False) -> None:
        """Stop the node with SIGTERM, or kill it: then queues made a moment ago may be broken."""
        process, self._process = self._process, None
        if process is None:
            return
        os.killpg(process.pid, signal.SIGKILL if kill else signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_TIMEOUT_SECONDS)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(STOP_TIMEOUT_SECONDS)
        self._http.clear()

    def remember_queues(self) -> None:
        """Have the node store now which quorum queues exist; it would only seconds later.

        One that was made since is broken or empty after a kill, on 3.10 as on 4.3.
        """
        self._evaluate("[dets:sync(Table) || Table <- dets:all()].")

    def restart(self) -> None:
        """Stop and start the node; durable queues and persistent messages stay."""
        self.stop()
        self.start()

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """Stop the node's process for the duration: it answers nothing, and closes nothing."""
        if self._process is None:
            raise RuntimeError("the node is not running")
        os.killpg(self._process.pid, signal.SIGSTOP)
        try:
            # The signal reaches a node's threads one after the other.
            _await_stopped(self._process.pid, time.monotonic() + STOP_TIMEOUT_SECONDS)
            yield
        finally:
            os.killpg(self._process.pid, signal.SIGCONT)

    def api(self, method: str, *path: str, body: object = None) -> Any:
        """Call the management API as the administrator; each element of `path` is encoded."""
        url = "/".join([self.management_url, "api", *(quote(part, safe="") for part in path)])
        return self._request(method, url, body=None if body is None else json.dumps(body).encode())

    def api_totals(self, vhost: str, columns: str) -> Any:
        """Return these columns of every queue of a virtual host, as fresh as the version allows."""
        url = f"{self.management_url}/api/queues/{quote(vhost, safe='')}"
        query = {"disable_stats": "true", "enable_queue_totals": "true", "columns": columns}
        return self._request("GET", url, fields=query)

    def stop_quorum_queue(self, vhost: str, queue: str) -> None:
        """Stop a quorum queue's only replica, as a lost node would."""
        name = f'<<"{vhost}_{queue}">>'
        self._evaluate(f"ra:stop_server(quorum_queues, {{binary_to_atom({name}), node()}}).")

    @contextmanager
    def hung_queue(self, vhost: str, queue: str) -> Iterator[None]:
        """Let the process of a classic queue answer nothing in the block; its node is well."""
        name = f'{{resource, <<"{vhost}">>, queue, <<"{queue}">>}}'
        process = f"amqqueue:get_pid(element(2, rabbit_amqqueue:lookup({name})))"
        self._evaluate(f"sys:suspend({process}).")
        try:
            yield
        finally:
            self._evaluate(f"sys:resume({process}).")

    @contextmanager
    def consumer_timeout(self, seconds: float) -> Iterator[None]:
        """Let channels that are opened in the block hold a delivery for no longer than that."""
        self._evaluate(f"application:set_env(rabbit, consumer_timeout, {seconds * 1000:.0f}).")
        try:
            yield
        finally:
            self._evaluate("application:set_env(rabbit, consumer_timeout, 1800000).")

    @contextmanager
    def refusing_quorum_queues(self) -> Iterator[None]:
        """Answer a declaration of a quorum queue in the block with 541, as a faulty node does."""
        self._evaluate("application:set_env(rabbit, quorum_cluster_size, none).")
        try:
            yield
        finally:
            self._evaluate("application:set_env(rabbit, quorum_cluster_size, 3).")

    @contextmanager
    def alarm(self, resource: str) -> Iterator[None]:
        """Raise the broker's alarm for `memory` or `disk` in the block."""
        limit = f"{{resource_limit, {resource}, node()}}"
        self._evaluate(f"rabbit_alarm:set_alarm({{{limit}, []}}).")
        try:
            yield
        finally:
            self._evaluate(f"rabbit_alarm:clear_alarm({limit}).")

    def add_user(self, name: str, *, password: str = "", tags: str = "") -> None:
        """Create a user; without a password only EXTERNAL can log in."""
        secret = {"password": password} if password else {"password_hash": ""}
        self.api("PUT", "users", name, body={**secret, "tags": tags})

    def add_logins(self, names: Iterable[str], password: str) -> None:
        """Create many users who may do everything in `/`, with one password and without the API."""
        quoted = ",".join(f'<<"{name}">>' for name in names)
        module = "rabbit_auth_backend_internal"
        self._evaluate(
            f'lists:foreach(fun(Name) -> {module}:add_user(Name, <<"{password}">>, <<"test">>),'
            f' {module}:set_permissions(Name, <<"/">>, <<".*">>, <<".*">>, <<".*">>, <<"test">>)'
            f" end, [{quoted}])."
        )

    def allow(self, name: str, vhost: str, *, pattern: str = ".*", **other: str) -> None:
        """Let a user configure, write and read names that match a pattern.

        other: configure, write or read with a pattern that replaces the first one.
        """
        permission = {"configure": pattern, "write": pattern, "read": pattern, **other}
        self.api("PUT", "permissions", vhost, name, body=permission)

    def add_vhost(self, vhost: str) -> None:
        """Create a virtual host that the administrator may use."""
        self.api("PUT", "vhosts", vhost, body={})
        self.allow(ADMIN[0], vhost)

    def _request(self, method: str, url: str, **options: Any) -> Any:
        headers = urllib3.make_headers(basic_auth=":".join(ADMIN))
        headers["content-type"] = "application/json"
        response = self._http.request(method, url, headers=headers, retries=False, **options)
        if response.status >= 400:
            raise RuntimeError(f"{method} {url}: {response.status} {response.data[:500]!r}")
        return json.loads(response.data) if response.data else None

    def _evaluate(self, expression: str) -> None:
        """Evaluate Erlang in the node, in a hundredth of the time that `rabbitmqctl eval` takes."""
        cookie = (self.directory / ".erlang.cookie").read_text()
        command = ("erl_call", "-sname", self._node, "-c", cookie, "-e")
        done = subprocess.run(
            self.installation.command(*command, directory=self.directory),
            env=self._environment(),
            cwd=self.directory,
            input=f"{expression}\n",
            check=True,
            capture_output=True,
            text=True,
            timeout=START_TIMEOUT_SECONDS,
        )
        if not done.stdout.startswith("{ok, "):
            raise RuntimeError(f"{expression}: {done.stdout}{done.stderr}")

    def _wait_until_ready(self, deadline: float) -> None:
        while time.monotonic() < deadline:
            if self._process is None or self._process.poll() is not None:
                raise RuntimeError(f"rabbitmq-server ended while starting:\n{self._log_tail()}")
            try:
                for port in (self.ports.amqp, self.ports.amqps):
                    self._check_listener(port)
            except (urllib3.exceptions.HTTPError, OSError, RuntimeError):
                time.sleep(0.1)
                continue
            return
        self.stop()
        raise RuntimeError(f"rabbitmq-server did not start in time:\n{self._log_tail()}")

    def _check_listener(self, port: int) -> None:
        """Raise RuntimeError, OSError or urllib3's HTTPError unless a port is served."""
        if self.has_management:
            self.api("GET", "health", "checks", "port-listener", str(port))
        else:
            socket.create_connection((self.host, port)).close()

    def _log_tail(self) -> str:
        return (self.directory / "console.log").read_text(errors="replace")[-4000:]

    def _environment(self) -> dict[str, str]:
        directory = self.directory
        return {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "HOME": str(directory),
            "ERL_EPMD_PORT": str(self.ports.epmd),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_CONF_ENV_FILE": str(directory / "none.conf"),
            "RABBITMQ_NODENAME": self._node,
            "RABBITMQ_DIST_PORT": str(self.ports.distribution),
            "RABBITMQ_MNESIA_BASE": str(directory / "mnesia"),
            "RABBITMQ_LOG_BASE": str(directory / "log"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(directory / "config"),
            "RABBITMQ_CONFIG_FILE": str(directory / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(directory / "advanced.config"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(directory / "enabled_plugins"),
            "RABBITMQ_PID_FILE": str(directory / "pid"),
            # One scheduler and no busy waiting: tests share the machine's cores with others.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                "+S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none"
                " -kernel inet_dist_use_interface {127,0,0,1}"
            ),
        }


@contextmanager
def running_rabbitmq(directory: Path, *, has_management: bool = True) -> Iterator[RabbitMQServer]:
    """Run epmd and one node below `directory` for the duration of the block."""
    ports = Ports(*find_free_ports(6))
    certificates = write_certificates(directory)
    write_configuration(directory, ports, has_management=has_management)
    installation = find_installation("rabbitmq")
    server = RabbitMQServer(
        directory, ports, certificates, installation, has_management=has_management
    )
    with ExitStack() as stack:
        stack.enter_context(_running_epmd(installation, directory, ports.epmd))
        stack.callback(server.stop, kill=True)
        server.start()
        yield server


@pytest.fixture(scope="session")
def rabbitmq_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMQServer]:
    """Yield one server for the session, under pytest-xdist one for each worker."""
    find_installation("rabbitmq").require(SERVER, package="rabbitmq-server")
    with running_rabbitmq(tmp_path_factory.mktemp("rabbitmq")) as server:
        yield server


@contextmanager
def _running_epmd(installation: Installation, directory: Path, port: int) -> Iterator[None]:
    # Not started by erl, which would leave it behind as a daemon.
    command = ("epmd", "-address", "127.0.0.1", "-port", str(port))
    process = subprocess.Popen(
        installation.command(*command, directory=directory), stdin=subprocess.DEVNULL
    )
    try:
        yield
    finally:
        process.kill()
        process.wait(STOP_TIMEOUT_SECONDS)


def _await_stopped(group: int, deadline: float) -> None:
    while not all(state == "T" for state in _thread_states(group)):
        if time.monotonic() > deadline:
            raise RuntimeError("rabbitmq-server did not stop on SIGSTOP")
        time.sleep(0.01)


def _thread_states(group: int) -> Iterator[str]:
    for stat in Path("/proc").glob("[0-9]*/task/[0-9]*/stat"):
        # After the name, which may hold blanks and parentheses: state, parent, process group.
        with suppress(FileNotFoundError, ProcessLookupError):
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[2]) == group:
                yield fields[0]
