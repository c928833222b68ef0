"""Sends the few requests that `up` and `status` need, as the cluster's administrator."""

import json
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dev.local.certificates import ADMIN
from dev.local.errors import ApiRefused, ComponentFailed

REQUEST_SECONDS = 5.0
POLL_SECONDS = 0.1
# The cluster is on this machine, and not behind its HTTP proxy.
NO_PROXY = urllib.request.ProxyHandler({})


@dataclass(frozen=True, slots=True)
class ApiClient:
    """Requests as the administrator, with the certificates in `pki`."""

    server: str
    pki: Path

    def get(self, path: str) -> Any:
        """Return the decoded answer; raises ApiRefused."""
        return json.loads(self._request("GET", path))

    def apply(self, path: str, document: dict[str, Any]) -> None:
        """Create or change an object by server-side apply; raises ApiRefused."""
        query = "?fieldManager=workqueuejob-local&force=true"
        self._request("PATCH", path + query, document)

    def is_ready(self) -> bool:
        """Return whether the server answers that it is ready."""
        try:
            return self._request("GET", "/readyz") == "ok"
        except ApiRefused:
            return False

    def _request(self, method: str, path: str, document: dict[str, Any] | None = None) -> str:
        context = ssl.create_default_context(cafile=str(self.pki / "ca.crt"))
        context.load_cert_chain(self.pki / f"{ADMIN.file}.crt", self.pki / f"{ADMIN.file}.key")
        body = json.dumps(document).encode() if document is not None else None
        url = self.server + path
        request = urllib.request.Request(url, data=body, method=method)  # noqa: S310  (always https)
        request.add_header("Content-Type", "application/apply-patch+yaml")
        opener = urllib.request.build_opener(NO_PROXY, urllib.request.HTTPSHandler(context=context))
        try:
            with opener.open(request, timeout=REQUEST_SECONDS) as response:
                answer: bytes = response.read()
                return answer.decode()
        except urllib.error.HTTPError as error:
            reason = error.read().decode(errors="replace")[:500]
            raise ApiRefused(f"{method} {path}: {error.code} {reason}", code=error.code) from error
        except OSError as error:
            raise ApiRefused(f"{method} {path}: {error}") from error


def answers(url: str) -> bool:
    """Return whether a health URL answers 200; its certificate is not verified."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    opener = urllib.request.build_opener(NO_PROXY, urllib.request.HTTPSHandler(context=context))
    try:
        with opener.open(url, timeout=REQUEST_SECONDS) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def wait_until(
    condition: Callable[[], bool], *, seconds: float, failure: Callable[[], str]
) -> None:
    """Wait until the condition holds; raise ComponentFailed with `failure()` after the seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise ComponentFailed(failure())
        time.sleep(POLL_SECONDS)
