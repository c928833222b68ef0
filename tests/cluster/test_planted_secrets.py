"""No credential shows anywhere: planted ones are used well and badly, then looked for."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import quote

import pytest
import trustme

from dev.workspaces.objects import a_secret
from dev.workspaces.prepared import BROKER_HOST, REDIS_HOST
from dev.workspaces.redis import Redis
from dev.workspaces.worker_jobs import a_rabbitmq_queue, a_redis_list, a_worker_job
from dev.workspaces.workspace import Manifest, Workspace, a_manifest, poll, reason_of
from tests.writings import Writings

from .planted import collect_everything, plant

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

ITEMS = ("apple", "pear")

SUCCEED = ("login", "uri", "program", "redis-login", "redis-uri")
FAIL = {
    "wrong-login": "AuthenticationFailed",
    "wrong-uri": "AuthenticationFailed",
    "wrong-redis-login": "AuthenticationFailed",
    "wrong-redis-uri": "AuthenticationFailed",
    "no-rights": "AuthorizationFailed",
    "key-missing": "SecretKeyMissing",
    "unsafe-in-url": "CredentialsNotURLSafe",
    "uri-not-encoded": "CredentialsNotURLSafe",
    "redis-uri-not-encoded": "CredentialsNotURLSafe",
    "key-no-pem": "TLSFailed",
    "key-of-another": "TLSFailed",
    "key-against-plain-port": "TLSFailed",
}
ROTATED = "rotated"
"""Its password is changed at the broker when its pods are there already."""


@dataclass(frozen=True, slots=True)
class Planting:
    """One test's brokers' users, queues and Secrets, all of whose names begin with the queue's.

    secrets: what must show nowhere.
    """

    workspace: Workspace
    redis: Redis
    secrets: list[str]

    def name(self, run: str) -> str:
        return f"{self.workspace.queue}-{run}"

    def add_rabbitmq_user(self, run: str, password: str, *, permissions: bool = True) -> None:
        self.workspace.broker.add_user(self.name(run), password, permissions=permissions)
        self.workspace.broker.publish(self.name(run), ITEMS)

    def add_redis_user(self, run: str, password: str) -> None:
        rights = {"keys": ["*"], "channels": ["*"], "categories": ["+@all"]}
        cast("Any", self.redis).acl_setuser(
            self.name(run), enabled=True, reset=True, passwords=[f"+{password}"], **rights
        )
        self.redis.rpush(self.name(run), *ITEMS)

    def hide(self, run: str, data: dict[str, str], *, planted: Sequence[str]) -> None:
        """Put data into a Secret of the run's name."""
        self.secrets.extend(planted)
        self.workspace.apply(a_secret(run, data))

    def hide_login(self, run: str, password: str) -> None:
        self.hide(run, {"username": self.name(run), "password": password}, planted=[password])

    def rabbitmq(self, run: str, **fields: Any) -> Manifest:
        return a_rabbitmq_queue(self.workspace, queue=self.name(run), **fields)

    def run(self, run: str, queue: Manifest, **spec: Any) -> None:
        retry = {"onExhausted": "Discard"}
        self.workspace.apply(
            a_worker_job(self.workspace, run, queue=queue, retry=retry, backoffLimit=1, **spec)
        )

    def close(self) -> None:
        for run in (*SUCCEED, *FAIL, ROTATED):
            self.workspace.broker.remove(self.name(run))
            cast("Any", self.redis).acl_deluser(self.name(run))
            self.redis.delete(self.name(run))


@pytest.fixture
def planting(workspace: Workspace, redis: Redis) -> Iterator[Planting]:
    made = Planting(workspace, redis, [])
    yield made
    workspace.kubectl("delete", "wqj", "--all")
    made.close()


@pytest.mark.starts_early
def test_credentials_show_nowhere_whether_they_are_right_or_wrong(planting: Planting) -> None:
    workspace = planting.workspace
    _begin_rotated(planting)
    _rotate(planting)
    _begin_with_logins(planting)
    _begin_with_uris(planting)
    _begin_with_keys(planting)

    for run in SUCCEED:
        ended = workspace.wait_for_end(run, seconds=120)
        assert reason_of(ended, "Complete") == "Drained", (run, ended["status"])
    for run, reason in FAIL.items():
        workspace.wait_for_reason(run, "QueueReachable", reason, seconds=60)
    poll(lambda: _worker_exit_codes(workspace), bool, seconds=90)

    everything = collect_everything(workspace.cluster, workspace.namespace)
    at_home = workspace.kubectl("get", "secrets", "-o", "json")
    shown = {
        place: found
        for place, text in everything.items()
        for secret in planting.secrets
        if (found := Writings(secret).found_in(text))
    }
    assert shown == {}
    # The search finds what there is to find.
    assert all(Writings(secret).found_in(at_home) for secret in planting.secrets)
    assert all(run in everything["operator's log"] for run in FAIL)
    assert all(run in everything["events"] for run in (*SUCCEED, *FAIL))
    metrics = [text for place, text in everything.items() if place.startswith("metrics of ")]
    assert any("wqj_workqueuejobs{" in text for text in metrics)


def _begin_with_logins(planting: Planting) -> None:
    reference = {run: {"name": run} for run in (*SUCCEED, *FAIL)}
    rights = {"login": plant(), "no-rights": plant()}
    for run, password in rights.items():
        planting.add_rabbitmq_user(run, password, permissions=run != "no-rights")
        planting.hide_login(run, password)
        planting.run(run, planting.rabbitmq(run, credentialsSecretRef=reference[run]))

    for run, password in {"program": plant(safe=True), "unsafe-in-url": plant()}.items():
        planting.add_rabbitmq_user(run, password)
        planting.hide_login(run, password)
        queue = {"queue": planting.name(run), "credentialsSecretRef": reference[run]}
        planting.workspace.apply(a_manifest(planting.workspace, run, rabbitmq=queue))

    for run, key in {"wrong-login": "password", "key-missing": "pass"}.items():
        password = plant()
        planting.add_rabbitmq_user(run, plant())
        planting.hide(run, {"username": planting.name(run), key: password}, planted=[password])
        planting.run(run, planting.rabbitmq(run, credentialsSecretRef=reference[run]))

    for run in ("redis-login", "wrong-redis-login"):
        password = plant()
        planting.add_redis_user(run, password if run == "redis-login" else plant())
        planting.hide_login(run, password)
        credentials = {**reference[run], "usernameKey": "username"}
        redis_list = {"key": planting.name(run)}
        queue = a_redis_list(planting.workspace, list=redis_list, credentialsSecretRef=credentials)
        planting.run(run, queue)


def _begin_with_uris(planting: Planting) -> None:
    for run in ("uri", "wrong-uri", "uri-not-encoded"):
        password = plant()
        planting.add_rabbitmq_user(run, plant() if run == "wrong-uri" else password)
        written = password if run == "uri-not-encoded" else quote(password, safe="")
        uri = f"amqp://{planting.name(run)}:{written}@{BROKER_HOST}:5672/%2F"
        planting.hide(run, {"uri": uri}, planted=[password])
        planting.run(run, _by_uri(planting.rabbitmq(run), run))

    for run in ("redis-uri", "wrong-redis-uri", "redis-uri-not-encoded"):
        password = plant()
        planting.add_redis_user(run, plant() if run == "wrong-redis-uri" else password)
        written = password if run == "redis-uri-not-encoded" else quote(password, safe="")
        uri = f"redis://{planting.name(run)}:{written}@{REDIS_HOST}:6379/0"
        planting.hide(run, {"uri": uri}, planted=[password])
        redis_list = a_redis_list(planting.workspace, list={"key": planting.name(run)})
        planting.run(run, _by_uri(redis_list, run))


def _by_uri(queue: Manifest, secret: str) -> Manifest:
    """Return `spec.queue` with a Secret's URI in the place of the host."""
    ((broker, source),) = queue.items()
    without = {name: value for name, value in source.items() if name != "host"}
    return {broker: {**without, "uriSecretRef": {"name": secret}}}


def _begin_with_keys(planting: Planting) -> None:
    authority = trustme.CA()
    pair, other = authority.issue_cert("client"), authority.issue_cert("other")
    certificate = pair.cert_chain_pems[0].bytes().decode()
    text = plant()
    keys = {
        "key-no-pem": (text, [text]),
        "key-of-another": _read_key(other),
        "key-against-plain-port": _read_key(pair),
    }
    for run, (key, planted) in keys.items():
        planting.workspace.broker.publish(planting.name(run), ITEMS)
        planting.hide(run, {"tls.crt": certificate, "tls.key": key}, planted=planted)
        tls = {"clientCertificateSecretRef": {"name": run}, "verification": "None"}
        queue = planting.rabbitmq(run, port=5672, tls=tls)
        # Beside TLS its URL would need https.
        del queue["rabbitmq"]["management"]
        planting.run(run, queue)


def _read_key(pair: trustme.LeafCert) -> tuple[str, list[str]]:
    """Return a private key's PEM, and the lines of it that are its own."""
    pem = pair.private_key_pem.bytes().decode()
    lines = [line for line in pem.splitlines() if not line.startswith("-----")]
    # The last one may be too short to be like no other text.
    return pem, lines[:-1]


def _begin_rotated(planting: Planting) -> None:
    """Start a run whose pods wait a while before their worker logs in."""
    password = plant()
    planting.add_rabbitmq_user(ROTATED, password)
    planting.hide_login(ROTATED, password)
    credentials = {"credentialsSecretRef": {"name": ROTATED}}
    manifest = a_worker_job(
        planting.workspace,
        ROTATED,
        queue=planting.rabbitmq(ROTATED, **credentials),
        retry={"onExhausted": "Discard"},
    )
    template = manifest["spec"]["template"]["spec"]
    (worked,) = template["containers"]
    pause = {**worked, "name": "pause", "command": ["sleep", "15"]}
    template["initContainers"] = [pause]
    planting.workspace.apply(manifest)


def _rotate(planting: Planting) -> None:
    poll(lambda: planting.workspace.pods(ROTATED), bool, seconds=60)
    planting.workspace.broker.add_user(planting.name(ROTATED), plant())


def _worker_exit_codes(workspace: Workspace) -> list[int]:
    """Return the exit codes of the workers whose password had been changed."""
    statuses = [
        status
        for pod in workspace.pods(ROTATED)
        for status in pod["status"].get("containerStatuses", ())
    ]
    ended = (status["state"].get("terminated") for status in statuses)
    return [state["exitCode"] for state in ended if state and state["exitCode"]]
