"""Runs a container probe from inside the container, as the kubelet runs it from outside.

Only reads the answer; `stop_cause` decides what a failing probe means.
"""

import http.client
import os
import signal
import socket
import ssl
import subprocess
from contextlib import closing, suppress

from workqueuejob.contract.probes import ProbeSettings
from workqueuejob.contract.settings import is_private


def is_failing(probe: ProbeSettings) -> bool:
    """Return whether a container probe fails; one that can't be run does not fail."""
    if probe.command:
        return _is_command_failing(probe)
    try:
        addresses = socket.getaddrinfo(probe.host or socket.gethostname(), probe.port)
    except OSError:
        return False
    address = str(addresses[0][4][0])
    try:
        if probe.path is None:
            socket.create_connection((address, probe.port or 0), probe.timeout_seconds).close()
            return False
        return not _is_http_fine(probe, address, probe.path)
    except (OSError, http.client.HTTPException):
        return True


def _is_command_failing(probe: ProbeSettings) -> bool:
    environ = {name: v for name, v in os.environ.items() if not is_private(name)}
    try:
        process = subprocess.Popen(
            probe.command,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError:
        return False
    try:
        return process.wait(probe.timeout_seconds) != 0
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return True


def _is_http_fine(probe: ProbeSettings, address: str, path: str) -> bool:
    connection: http.client.HTTPConnection
    if probe.is_encrypted:
        # The kubelet does not verify the certificate either.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection(
            address, probe.port, timeout=probe.timeout_seconds, context=context
        )
    else:
        connection = http.client.HTTPConnection(address, probe.port, timeout=probe.timeout_seconds)
    with closing(connection):
        connection.request("GET", path, headers=dict(probe.headers))
        return connection.getresponse().status < http.client.BAD_REQUEST
