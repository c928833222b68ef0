"""What a user may write of a Redis list or stream, and what not."""

from .manifests import SENTINEL, Manifest, redis

REDIS = "spec.queue.redis"
URI = {"host": None, "uriSecretRef": {"name": "redis"}}
STREAM = {"stream": {"key": "job3", "consumerGroup": "workers"}}


def by_sentinel(**changes: object) -> Manifest:
    return redis(host=None, sentinel=SENTINEL | changes)


ACCEPTED_REDIS: list[tuple[str, Manifest]] = [
    ("a list", redis()),
    ("a stream", redis(STREAM)),
    ("a key with spaces, accents and braces", redis({"list": {"key": "{crème} brûlée/1"}})),
    ("the longest key", redis({"list": {"key": "k" * 512}})),
    ("a list's processing key", redis({"list": {"key": "job2", "processingKey": "doing"}})),
    ("another port and database", redis(port=6380, database=3)),
    ("Redis on IPv6", redis(host="fd00::7")),
    ("Redis' password", redis(credentialsSecretRef={"name": "redis"})),
    ("a user of Redis", redis(credentialsSecretRef={"name": "redis", "usernameKey": "user"})),
    (
        "a user of Redis beside the reference",
        redis(username="worker", credentialsSecretRef={"name": "redis"}),
    ),
    ("Redis with TLS", redis(tls={"caSecretRef": {"name": "ca"}, "serverName": "redis.prod"})),
    ("Redis with a client certificate", redis(tls={"clientCertificateSecretRef": {"name": "c"}})),
    ("Redis' URI from a Secret", redis(**URI)),
    ("a stream by a URI with a CA", redis(STREAM, **URI, tls={"caSecretRef": {"name": "ca"}})),
    ("Sentinel", by_sentinel()),
    ("Sentinels' password", by_sentinel(credentialsSecretRef={"name": "sentinel"})),
    (
        "several Sentinels",
        by_sentinel(addresses=["s-0.s:26379", "s-1.s.ns.svc:1", "10.0.0.7:65535"]),
    ),
    (
        "Sentinel with credentials and a database",
        redis(host=None, sentinel=SENTINEL, credentialsSecretRef={"name": "a"}, database=1, tls={}),
    ),
    ("the shortest lease", redis(leaseSeconds=5)),
    ("the longest lease", redis(leaseSeconds=3600)),
]

REFUSED_REDIS: list[tuple[str, Manifest, str, str]] = [
    ("Redis nowhere", redis(host=None), REDIS, "exactly one of host, uriSecretRef and sentinel"),
    ("Redis' host and URI", redis(uriSecretRef={"name": "a"}), REDIS, "exactly one of host,"),
    ("Redis' host and Sentinel", redis(sentinel=SENTINEL), REDIS, "exactly one of host,"),
    ("URI and Sentinel", redis(**URI, sentinel=SENTINEL), REDIS, "exactly one of host,"),
    ("neither list nor stream", redis({}), REDIS, "exactly one of list and stream"),
    (
        "list and stream",
        redis(STREAM, list={"key": "job2"}),
        REDIS,
        "exactly one of list and stream",
    ),
    ("Redis' URI as host", redis(host="redis://redis"), f"{REDIS}.host", "uriSecretRef"),
    ("Redis' host with its port", redis(host="redis:6379"), f"{REDIS}.host", "into port"),
    ("a port beside Redis' URI", redis(**URI, port=6379), f"{REDIS}.port", "into the URI"),
    (
        "a port beside Sentinel",
        redis(host=None, sentinel=SENTINEL, port=6379),
        f"{REDIS}.port",
        "into sentinel.addresses",
    ),
    ("a database beside the URI", redis(**URI, database=0), f"{REDIS}.database", "URI's path"),
    (
        "credentials beside Redis' URI",
        redis(**URI, credentialsSecretRef={"name": "a"}),
        f"{REDIS}.credentialsSecretRef",
        "into the URI",
    ),
    (
        "two places of Redis' user name",
        redis(username="u", credentialsSecretRef={"name": "a", "usernameKey": "user"}),
        f"{REDIS}.username",
        "remove one of the two",
    ),
    (
        "Redis' user name without a password",
        redis(username="u"),
        f"{REDIS}.username",
        "without credentialsSecretRef",
    ),
    ("Redis' port 0", redis(port=0), f"{REDIS}.port", "greater than or equal to 1"),
    ("a negative database", redis(database=-1), f"{REDIS}.database", "equal to 0"),
    ("a list without key", redis({"list": {}}), f"{REDIS}.list.key", "Required"),
    ("an empty key", redis({"list": {"key": ""}}), f"{REDIS}.list.key", "at least 1"),
    ("a key that is too long", redis({"list": {"key": "k" * 513}}), f"{REDIS}.list.key", "512"),
    (
        "a list that is its own processing list",
        redis({"list": {"key": "job2", "processingKey": "job2"}}),
        f"{REDIS}.list.processingKey",
        "must not be the list itself",
    ),
    (
        "a stream without group",
        redis({"stream": {"key": "job3"}}),
        f"{REDIS}.stream.consumerGroup",
        "Required",
    ),
    (
        "a stream of no name",
        redis({"stream": {"consumerGroup": "workers"}}),
        f"{REDIS}.stream.key",
        "Required",
    ),
    (
        "a lease that is too short to renew",
        redis(leaseSeconds=4),
        f"{REDIS}.leaseSeconds",
        "equal to 5",
    ),
    (
        "a lease of more than an hour",
        redis(leaseSeconds=3601),
        f"{REDIS}.leaseSeconds",
        "equal to 3600",
    ),
    (
        "Sentinel without a master",
        redis(host=None, sentinel={"addresses": ["s:26379"]}),
        f"{REDIS}.sentinel.masterName",
        "Required",
    ),
    (
        "Sentinel without addresses",
        redis(host=None, sentinel={"masterName": "mymaster"}),
        f"{REDIS}.sentinel.addresses",
        "Required",
    ),
    (
        "no Sentinel",
        by_sentinel(addresses=[]),
        f"{REDIS}.sentinel.addresses",
        "at least 1",
    ),
    (
        "more Sentinels than anybody has",
        by_sentinel(addresses=[f"s-{n}:26379" for n in range(17)]),
        f"{REDIS}.sentinel.addresses",
        "at most 16",
    ),
    (
        "a Sentinel without port",
        by_sentinel(addresses=["s-0:26379", "s-1.s"]),
        f"{REDIS}.sentinel.addresses",
        "add the port",
    ),
    (
        "a Sentinel as a URI",
        by_sentinel(addresses=["redis://s:26379"]),
        f"{REDIS}.sentinel.addresses",
        "remove scheme, user and path",
    ),
    (
        "a Sentinel's port that there is not",
        by_sentinel(addresses=["s:65536"]),
        f"{REDIS}.sentinel.addresses[0]",
        "should match",
    ),
]

UNKNOWN_TO_REDIS: list[tuple[str, Manifest, str]] = [
    (
        "a start that does not work yet",
        redis({"stream": {**STREAM["stream"], "startFrom": "Latest"}}),
        f"{REDIS}.stream.startFrom",
    ),
    (
        "a consumer group of a list",
        redis({"list": {"key": "job2", "consumerGroup": "workers"}}),
        f"{REDIS}.list.consumerGroup",
    ),
    (
        "RabbitMQ's way to end surplus pods",
        redis(surplusPodTimeoutSeconds=60),
        f"{REDIS}.surplusPodTimeoutSeconds",
    ),
]
