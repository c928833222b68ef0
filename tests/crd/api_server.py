"""A real kube-apiserver with our CustomResourceDefinition, and no controller behind it."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
from kubernetes import client, config

from workqueuejob.names import GROUP, PLURAL, VERSION

from .manifests import Manifest

REPOSITORY = Path(__file__).resolve().parents[2]
CLUSTER = REPOSITORY / "dev" / "cluster"
CRD = REPOSITORY / "crds" / f"{PLURAL}.{GROUP}.yaml"

_DISCOVERY_SECONDS = 30.0
_KIND = (GROUP, VERSION, "default", PLURAL)
_MERGE_PATCH = "application/merge-patch+json"


Create = Callable[[Manifest], str]
"""Creates an object with changes, and returns its name."""


class Refused(Exception):
    """The API server did not take the object; `causes` are (field, message) pairs."""

    def __init__(self, status: dict[str, Any]) -> None:
        super().__init__(status.get("message", ""))
        self.causes = [
            (cause.get("field", ""), cause.get("message", ""))
            for cause in status.get("details", {}).get("causes", [])
        ]


@dataclass(frozen=True, slots=True)
class ApiServer:
    """The API server, through the official client and through kubectl."""

    kubeconfig: Path
    kubectl_path: Path
    objects: client.CustomObjectsApi

    def create(
        self, manifest: Manifest, *, dry_run: bool = False, validation: str = "Strict"
    ) -> Manifest:
        """Return the object as stored; unless told otherwise unknown fields are errors, as kubectl
        has it.
        """
        with _refusals():
            created = self.objects.create_namespaced_custom_object(
                *_KIND,
                manifest,
                field_validation=validation,
                dry_run="All" if dry_run else None,
            )
        return cast("Manifest", created)

    def patch(self, name: str, patch: Manifest) -> Manifest:
        """Return the object after a JSON merge patch."""
        with _refusals():
            patched = self.objects.patch_namespaced_custom_object(
                *_KIND, name, patch, _content_type=_MERGE_PATCH
            )
        return cast("Manifest", patched)

    def patch_status(self, name: str, status: Manifest) -> Manifest:
        """Return the object after a JSON merge patch of its status subresource."""
        with _refusals():
            patched = self.objects.patch_namespaced_custom_object_status(
                *_KIND, name, {"status": status}, _content_type=_MERGE_PATCH
            )
        return cast("Manifest", patched)

    def delete(self, name: str) -> None:
        self.objects.delete_namespaced_custom_object(*_KIND, name)

    def kubectl(self, *arguments: str) -> str:
        """Return what kubectl prints."""
        done = self._run(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def try_text(self, text: bytes, path: Path) -> str:
        """Try, through a file, to create a WorkQueueJob from any text; return the answer."""
        path.write_bytes(text)
        objects = f"/apis/{GROUP}/{VERSION}/namespaces/default/{PLURAL}"
        options = "?dryRun=All&fieldValidation=Strict"
        done = self._run("create", f"--raw={objects}{options}", "-f", str(path))
        return done.stdout or done.stderr

    def await_discovery(self, resource: str) -> None:
        """Wait until kubectl finds a kind: a definition is established before it is discovered."""
        deadline = time.monotonic() + _DISCOVERY_SECONDS
        while (done := self._run("explain", resource)).returncode:
            assert time.monotonic() < deadline, done.stderr
            # What kubectl did not find it would not look for again.
            shutil.rmtree(self._cache, ignore_errors=True)
            time.sleep(0.2)

    @property
    def _cache(self) -> Path:
        return self.kubeconfig.with_name("kubectl-cache")

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        options = (f"--kubeconfig={self.kubeconfig}", f"--cache-dir={self._cache}")
        command = [str(self.kubectl_path), *options, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)


@contextmanager
def running_api_server(directory: Path) -> Iterator[ApiServer]:
    """Start etcd and a kube-apiserver with our definition in it; stop them at the end.

    With WQJ_TEST_KUBECONFIG an API server that runs already is used, and left running.
    """
    given = os.environ.get("WQJ_TEST_KUBECONFIG")
    if given:
        yield _with_definition(Path(given))
        return
    try:
        yield _with_definition(Path(_started("control-plane", "up", "--dir", str(directory))))
    finally:
        _cluster("control-plane", "down", "--dir", str(directory))


def _with_definition(kubeconfig: Path) -> ApiServer:
    kubectl = Path(_started("binaries")) / "kubectl"
    api_client = config.new_client_from_config(  # type: ignore[no-untyped-call]  # it has no annotations
        str(kubeconfig)
    )
    server = ApiServer(kubeconfig, kubectl, client.CustomObjectsApi(api_client))
    server.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(CRD))
    server.await_discovery("wqj")
    return server


def _started(*arguments: str) -> str:
    """Return the last line printed. What can't be started is skipped here, and fails in CI."""
    done = _cluster(*arguments)
    if done.returncode == 0:
        return done.stdout.splitlines()[-1]
    message = f"{CLUSTER.name} {' '.join(arguments)}: {done.stderr[-2000:]}"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


def _cluster(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([CLUSTER, *arguments], capture_output=True, text=True, check=False)


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except client.ApiException as error:
        raise Refused(json.loads(error.body or "{}")) from None
