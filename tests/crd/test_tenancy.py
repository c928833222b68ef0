"""A tenant of the multi-tenant preset tries to reach another tenant, on a real API server.

The operator runs with the hosts of `deploy/multi-tenant.yaml`. The victim's namespace is `default`,
the tenant's is `elsewhere`. Both have a broker on loopback, which the operator finds by the names
of Services in a hosts file of its own: `alias` stands for a Service of type ExternalName.
"""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client

from dev.environment import CHART, NAMESPACE, RELEASE
from dev.servers.redis import RedisServer, redis_server
from dev.sync import KUBE_VERSION
from tests.hostile_server import hostile_server, say
from workqueuejob.names import GROUP, PLURAL, VERSION, job_name

from .api_server import REPOSITORY, ApiServer, Create
from .manifests import Manifest, build_manifest, kafka, merged, rabbitmq, redis, spec
from .replicas import OPERATOR, Election
from .test_forgeries import ELSEWHERE, Objects, a_copy_elsewhere, a_pod_of, a_report, objects
from .test_privileges import as_user
from .waiting import wait_for

pytestmark = [pytest.mark.apiserver, pytest.mark.redis, pytest.mark.timeout(600)]

__all__ = ["objects", "redis_server"]

PRESET = REPOSITORY / "deploy" / "multi-tenant.yaml"
VICTIM, TENANT = "default", ELSEWHERE
TENANTS_ADDRESS = "127.0.0.2"
HOSTS = f"""127.0.0.1 localhost
127.0.0.1 redis.{VICTIM}.svc alias.{TENANT}.svc
{TENANTS_ADDRESS} mq.{TENANT}.svc
"""
PASSWORD = "victims-s3cret"
FULL_RIGHTS = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}
OWN = f"{PLURAL}.{GROUP}"


def read_preset_options(api_server: ApiServer) -> list[str]:
    """Return the hosts that the preset lets the operator connect to, as options."""
    helm = os.environ.get("HELM") or str(api_server.kubectl_path.with_name("helm"))
    command = [helm, "template", RELEASE, str(CHART), "--namespace", NAMESPACE]
    command += ["--kube-version", KUBE_VERSION, "-f", str(PRESET)]
    command += ["--show-only", "templates/deployment.yaml"]
    rendered = subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout
    words = [line.strip().removeprefix("- ").strip('"') for line in rendered.splitlines()]
    options = [word for word in words if word.startswith("--allowed-host=")]
    assert options
    return options


@pytest.fixture
def victim(
    objects: Objects, redis_server: RedisServer, create: Create, tmp_path: Path
) -> Iterator[str]:
    """Run the operator as the preset does, and a WorkQueueJob of the victim."""
    (tmp_path / "hosts").write_text(HOSTS)
    with redis_server.client() as broker:
        broker.delete("fruits")
        broker.rpush("fruits", "apple", "pear")
    objects.create(
        {
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "redis", "namespace": VICTIM},
            "stringData": {"password": PASSWORD, "victims-key": PASSWORD},
        }
    )  # fmt: skip
    name = create(
        merged(
            redis({"list": {"key": "fruits"}}, port=redis_server.port),
            spec(worker={"source": "Image"}, failurePolicy={"maxDeadLettered": 1}),
        )
    )
    election = Election(objects.api_server, tmp_path)
    # A hosts file of its own is all that its mount namespace has.
    script = 'mount --bind "$0" /etc/hosts && exec "$@"'
    root = () if os.geteuid() == 0 else ("--map-root-user",)
    wrapper = ("unshare", *root, "--mount", "sh", "-c", script, str(tmp_path / "hosts"))
    with election.running(
        "only",
        namespaces=(VICTIM, TENANT),
        options=read_preset_options(objects.api_server),
        program=(*wrapper, OPERATOR, "run"),
    ) as replica:
        replica.await_ready(seconds=120)
        objects.await_first_wave(name)
        yield name
    election.remove()
    objects.api_server.kubectl("delete", f"{OWN},events", "--all", "-n", TENANT)
    objects.api_server.kubectl("delete", "secret", "redis", "-n", VICTIM)


class Tenant:
    """A user who may do everything in one namespace, and nothing elsewhere."""

    def __init__(self, administrator: Objects) -> None:
        self._administrator = administrator
        self.objects = as_user(administrator.api_server, "tenant").objects
        self.core: Any = client.CoreV1Api(self.objects.api_client)
        group = "rbac.authorization.k8s.io"
        common = {
            "apiVersion": f"{group}/v1",
            "metadata": {"name": "tenant", "namespace": TENANT},
        }
        subject = {"kind": "User", "name": "tenant", "apiGroup": group}
        role = {"kind": "Role", "name": "tenant", "apiGroup": group}
        administrator.create({**common, "kind": "Role", "rules": [FULL_RIGHTS]})
        administrator.create(
            {**common, "kind": "RoleBinding", "subjects": [subject], "roleRef": role}
        )
        wait_for(self._may_write, seconds=30, what="the tenant's rights")

    def create(self, changes: Manifest, name: str) -> str:
        """Create a WorkQueueJob in the tenant's namespace; return its name."""
        manifest = build_manifest(changes)
        manifest["metadata"] = {**manifest["metadata"], "name": name, "namespace": TENANT}
        self.objects.create_namespaced_custom_object(GROUP, VERSION, TENANT, PLURAL, manifest)
        return name

    def refusal(self, changes: Manifest) -> str:
        """Return why the API server does not take a WorkQueueJob."""
        with pytest.raises(client.ApiException) as refused:
            self.create(changes, "refused")
        return str(json.loads(refused.value.body or "{}")["message"])

    def remove(self) -> None:
        self._administrator.api_server.kubectl("delete", "role,rolebinding", "tenant", "-n", TENANT)

    def _may_write(self) -> bool:
        try:
            self.core.list_namespaced_secret(TENANT)
        except client.ApiException:
            return False
        return True


@pytest.fixture
def tenant(objects: Objects) -> Iterator[Tenant]:
    tenant = Tenant(objects)
    yield tenant
    tenant.remove()


def reach_by_every_field(port: int, sentinels: dict[str, int]) -> dict[str, Manifest]:
    """Return WorkQueueJobs that lead the operator to the victim's broker, by what they are."""
    victims = f"redis.{VICTIM}.svc"
    spellings = [
        victims, f"{victims}.", victims.upper(), f"{victims}.cluster.local", f"alias.{TENANT}.svc",
        "alias", "localhost", "127.0.0.1", "127.1", "::ffff:127.0.0.1",
    ]  # fmt: skip
    tries = {f"host-{n}": redis(host=host, port=port) for n, host in enumerate(spellings)}
    for n, host in enumerate((victims, f"alias.{TENANT}.svc", "127.0.0.1")):
        address = f"{host}:{port}"
        sentinel = {"masterName": "m", "addresses": [address]}
        tries[f"sentinel-{n}"] = redis(host=None, sentinel=sentinel)
        tries[f"rabbitmq-{n}"] = rabbitmq(host=host, port=port)
        if not host.startswith("alias"):
            # An alias is noticed when the broker has been reached, which is not there.
            management = {"url": f"http://{address}"}
            tries[f"management-{n}"] = rabbitmq(
                host=f"mq.{TENANT}.svc", port=1, management=management
            )
        tries[f"kafka-{n}"] = kafka(bootstrapServers=[address])
        tries[f"uri-{n}"] = redis(host=None, uriSecretRef={"name": "own", "key": f"uri-{n}"})
    for name, own in sentinels.items():
        addresses = [f"mq.{TENANT}.svc:{own}"]
        tries[name] = redis(host=None, sentinel={"masterName": "m", "addresses": addresses})
    return tries


@contextmanager
def lying_sentinels(port: int) -> Iterator[dict[str, int]]:
    """Run Sentinels of the tenant that call the victim's broker the master."""

    def answer(host: str) -> bytes:
        return f"*2\r\n${len(host)}\r\n{host}\r\n${len(str(port))}\r\n{port}\r\n".encode()

    by_name, by_address = say(answer(f"redis.{VICTIM}.svc")), say(answer("127.0.0.1"))
    with (
        hostile_server(by_name, address=TENANTS_ADDRESS) as first,
        hostile_server(by_address, address=TENANTS_ADDRESS) as second,
    ):
        yield {"lying-sentinel-by-name": first, "lying-sentinel-by-address": second}


def read_reachable(objects: Objects) -> dict[str, tuple[str, str]]:
    """Return reason and message of QueueReachable, by the name of the tenant's WorkQueueJob."""
    listed = json.loads(objects.api_server.kubectl("get", OWN, "-n", TENANT, "-o", "json"))
    return {
        item["metadata"]["name"]: (condition["reason"], condition["message"])
        for item in listed["items"]
        for condition in item.get("status", {}).get("conditions", [])
        if condition["type"] == "QueueReachable"
    }


def count_connections(server: RedisServer) -> int:
    with server.client() as broker:
        return int(broker.info("stats")["total_connections_received"])


def test_tenant_reaches_nothing_of_another(
    objects: Objects, victim: str, tenant: Tenant, redis_server: RedisServer
) -> None:
    before = objects.get("wqj", victim)
    uid, port = before["metadata"]["uid"], redis_server.port

    # The victim's broker
    uris = [f"redis.{VICTIM}.svc", f"alias.{TENANT}.svc", "127.0.0.1"]
    data = {f"uri-{n}": f"redis://{host}:{port}/0" for n, host in enumerate(uris)}
    tenant.core.create_namespaced_secret(TENANT, {"metadata": {"name": "own"}, "stringData": data})
    connections = count_connections(redis_server)
    with lying_sentinels(port) as sentinels:
        tries = reach_by_every_field(port, sentinels)
        for name, changes in tries.items():
            tenant.create(changes, name)
        wait_for(
            lambda: {
                name for name, (reason, _) in read_reachable(objects).items()
                if reason == "HostNotAllowed"
            } == tries.keys(),
            seconds=120,
            what="HostNotAllowed for each",
        )  # fmt: skip
    # The one that counts is a connection, too.
    assert count_connections(redis_server) == connections + 1

    # The victim's Secret
    for name in (f"{VICTIM}/redis", f"../{VICTIM}/redis", f"redis.{VICTIM}/redis"):
        assert "should match" in tenant.refusal(redis(credentialsSecretRef={"name": name}))
    tenant.create(redis(credentialsSecretRef={"name": "redis"}), "secret-of-that-name")
    wait_for(
        lambda: read_reachable(objects).get("secret-of-that-name", ("",))[0] == "SecretNotFound",
        seconds=60,
        what="SecretNotFound",
    )
    with pytest.raises(client.ApiException, match="Forbidden"):
        tenant.core.read_namespaced_secret("redis", VICTIM)

    # The victim's run: its object, its labels, its UID
    write = (GROUP, VERSION, VICTIM, PLURAL, victim)
    for call in (
        tenant.objects.patch_namespaced_custom_object,
        tenant.objects.patch_namespaced_custom_object_status,
    ):
        with pytest.raises(client.ApiException, match="Forbidden"):
            call(*write, {"spec": {"suspend": True}, "status": {"waves": 99}})
    labels = {"wqj.dev/uid": uid}
    for changes in (
        spec(jobMetadata={"labels": labels}),
        spec(template={"metadata": {"labels": labels}}),
    ):
        assert "must not begin with wqj.dev/" in tenant.refusal(changes)
    first = job_name(victim, uid, 1)
    job = objects.get("job", first)
    working, ended = (objects.create(a_pod_of(job, name)) for name in ("working", "ended"))
    objects.forge_status("pod", working, {"phase": "Running"})
    objects.create(a_copy_elsewhere(job, 99, job_name(victim, uid, 99)))
    forged = objects.create(a_pod_of(job, "forged", namespace=TENANT))
    objects.forge_status("pod", forged, a_report(dead_lettered=50))
    tenant.create(redis(host=f"mq.{TENANT}.svc", port=1), victim)

    # What the operator hears of after all that
    objects.forge_status("pod", ended, a_report(succeeded=1))
    wait_for(
        lambda: bool((objects.get("wqj", victim)["status"].get("counted") or {}).get("succeeded")),
        seconds=60,
        what="the report of the victim's own pod",
    )
    after = objects.get("wqj", victim)
    assert after["spec"] == before["spec"]
    assert after["status"]["counted"]["deadLettered"] == 0
    assert (after["status"]["waves"], after["status"]["queue"]["ready"]) == (1, 2)
    assert {c["type"] for c in after["status"]["conditions"]} == {"QueueReachable", "Progressing"}
    told = objects.api_server.kubectl("get", f"{OWN},events", "-n", TENANT, "-o", "json")
    assert PASSWORD not in told
    assert "victims-key" not in told
    assert uid not in told
