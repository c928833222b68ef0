"""From a worker's environment to its settings and its broker's connection. Pure.

In a pod the operator wrote `WQJ_SETTINGS`, and the kubelet filled in what is secret. Anywhere else
`BROKER_URL` and `QUEUE` do, as in Kubernetes' documents. Errors name the variable, never its value.
"""

import os
from collections.abc import Mapping

from workqueuejob.brokers.connection import (
    AMQP_PORT,
    AMQPS_PORT,
    DEFAULT_CREDENTIALS,
    DEFAULT_VIRTUAL_HOST,
    REDIS_PORT,
    BrokerConnection,
    KafkaConnection,
    RabbitMQConnection,
    RedisConnection,
    Sentinel,
    TLSSettings,
)
from workqueuejob.brokers.uri import (
    REDIS_SCHEMES,
    SCHEMES,
    BrokerAddress,
    parse_redis_uri,
    parse_uri,
)
from workqueuejob.contract import settings as names
from workqueuejob.contract.dead_letters import dead_key
from workqueuejob.contract.retry import RetrySettings
from workqueuejob.contract.settings import (
    KafkaSource,
    RabbitMQSource,
    RedisSource,
    WorkerSettings,
    read_settings,
)
from workqueuejob.errors import SettingsInvalid, WorkQueueJobError

BROKER_URL = "BROKER_URL"
QUEUE = "QUEUE"

Environment = Mapping[str, str]


def read_environment(environ: Environment) -> WorkerSettings:
    """Return the worker's settings; raise SettingsInvalid."""
    text = environ.get(names.SETTINGS)
    if text is None:
        return _read_local(environ)
    try:
        return read_settings(text)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SettingsInvalid(
            f"{names.SETTINGS} is not what this worker's operator writes ({type(error).__name__}:"
            f" {error}); remove it from the template's env, or let operator and worker be of one"
            " version"
        ) from None


def build_connection(settings: WorkerSettings, environ: Environment) -> BrokerConnection:
    """Return how to reach the broker, secrets included; raise SettingsInvalid."""
    source = settings.source
    if isinstance(source, RabbitMQSource):
        return _build_rabbitmq(source, settings, environ)
    if isinstance(source, KafkaSource):
        return _build_kafka(source, settings, environ)
    return _build_redis(source, settings, environ)


def pod_name(environ: Environment) -> str:
    """Return the name under which this worker's dead letters are found."""
    return environ.get(names.POD_NAME) or os.uname().nodename


def _read_local(environ: Environment) -> WorkerSettings:
    url, queue = environ.get(BROKER_URL), environ.get(QUEUE)
    if not url or not queue:
        missing = QUEUE if url else BROKER_URL
        raise SettingsInvalid(
            f"neither {names.SETTINGS} nor {missing} is set: in a pod of a WorkQueueJob the"
            f" operator sets the first; anywhere else set {BROKER_URL} (amqp://, amqps://,"
            f" redis:// or rediss://) and {QUEUE}"
        )
    scheme = url.strip().partition(":")[0]
    if scheme in SCHEMES:
        # Named as the documentation's examples do; a missing one stops the worker, nothing is lost.
        retry = RetrySettings(dead_letter=f"{queue}.dead")
        return WorkerSettings(source=RabbitMQSource(queue=queue), retry=retry)
    if scheme in REDIS_SCHEMES:
        retry = RetrySettings(dead_letter=dead_key(queue))
        return WorkerSettings(source=RedisSource(key=queue), retry=retry)
    raise SettingsInvalid(
        f"{BROKER_URL} begins with none of amqp://, amqps://, redis:// and rediss://; correct it"
    )


def _build_rabbitmq(
    source: RabbitMQSource, settings: WorkerSettings, environ: Environment
) -> RabbitMQConnection:
    address = _read_address(source.host, environ)
    tls = _read_tls(settings, address, environ)
    external = source.auth_mechanism == "EXTERNAL"
    username, password = ("", "") if external else DEFAULT_CREDENTIALS
    if address.username is not None:
        username, password = address.username, address.password or ""
    return RabbitMQConnection(
        host=address.host,
        port=source.port or address.port or (AMQP_PORT if tls is None else AMQPS_PORT),
        virtual_host=source.virtual_host or address.virtual_host or DEFAULT_VIRTUAL_HOST,
        username=username,
        password=password,
        auth_mechanism=source.auth_mechanism,
        tls=tls,
    )


def _build_redis(
    source: RedisSource, settings: WorkerSettings, environ: Environment
) -> RedisConnection:
    sentinel = None
    if source.sentinel_master is not None:
        sentinel = Sentinel(source.sentinel_master, source.sentinel_addresses)
        address = _with_credentials(BrokerAddress(host=""), environ)
    else:
        address = _read_address(source.host, environ)
    database = address.database if source.database is None else source.database
    return RedisConnection(
        host=address.host,
        port=source.port or address.port or REDIS_PORT,
        database=database or 0,
        username=address.username,
        password=address.password,
        tls=_read_tls(settings, address, environ),
        sentinel=sentinel,
    )


def _build_kafka(
    source: KafkaSource, settings: WorkerSettings, environ: Environment
) -> KafkaConnection:
    login = _with_credentials(BrokerAddress(host=""), environ)
    return KafkaConnection(
        bootstrap_servers=source.bootstrap_servers,
        sasl_mechanism=source.sasl_mechanism,
        username=login.username,
        password=login.password,
        tls=_read_tls(settings, login, environ),
    )


def _read_address(host: str | None, environ: Environment) -> BrokerAddress:
    """Return the address of the settings, or of the URI that stands in a Secret."""
    if host is not None:
        return _with_credentials(BrokerAddress(host=host.strip("[]")), environ)
    name = names.BROKER_URI if names.BROKER_URI in environ else BROKER_URL
    uri = environ.get(name, "").strip()
    if not uri:
        raise SettingsInvalid(f"{names.BROKER_URI} is not set, and {names.SETTINGS} names no host")
    parse = parse_redis_uri if uri.partition(":")[0] in REDIS_SCHEMES else parse_uri
    try:
        return _with_credentials(parse(uri, where=name), environ)
    except WorkQueueJobError as error:
        raise SettingsInvalid(str(error)) from None


def _with_credentials(address: BrokerAddress, environ: Environment) -> BrokerAddress:
    username = environ.get(names.BROKER_USERNAME) or address.username
    password = environ.get(names.BROKER_PASSWORD)
    return BrokerAddress(
        host=address.host,
        port=address.port,
        virtual_host=address.virtual_host,
        username=username,
        password=address.password if password is None else password,
        encrypted=address.encrypted,
        database=address.database,
    )


def _read_tls(
    settings: WorkerSettings, address: BrokerAddress, environ: Environment
) -> TLSSettings | None:
    if settings.tls is None and not address.encrypted:
        return None
    return TLSSettings(
        ca=_read_pem(names.TLS_CA, environ),
        client_certificate=_read_pem(names.TLS_CERTIFICATE, environ),
        client_key=_read_pem(names.TLS_PRIVATE_KEY, environ),
        server_name=None if settings.tls is None else settings.tls.server_name,
        verify=True if settings.tls is None else settings.tls.verify,
    )


def _read_pem(name: str, environ: Environment) -> bytes | None:
    text = environ.get(name)
    return text.encode("utf-8", "surrogateescape") if text else None
