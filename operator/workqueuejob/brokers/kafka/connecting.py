"""From a worker's environment to a Kafka connection. Pure."""

from workqueuejob.brokers.environ import Environment, read_address, read_tls, with_login
from workqueuejob.brokers.kafka.settings import (
    KafkaAddress,
    KafkaConnection,
    KafkaSource,
    parse_uri,
)
from workqueuejob.contract.settings import WorkerSettings


def build_connection(
    source: KafkaSource, settings: WorkerSettings, environ: Environment
) -> KafkaConnection:
    """Return how to reach the cluster, secrets included; raise SettingsInvalid."""
    if source.bootstrap_servers:
        address = with_login(KafkaAddress(host=""), environ)
    else:
        address = read_address(environ, parse_uri)
    return KafkaConnection(
        bootstrap_servers=source.bootstrap_servers or address.servers,
        sasl_mechanism=source.sasl_mechanism or address.sasl_mechanism,
        username=address.username,
        password=address.password,
        tls=read_tls(settings, address, environ),
    )
