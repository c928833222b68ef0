"""From a worker's environment to a Kafka connection. Pure."""

from workqueuejob.brokers.environ import Environment, read_tls, with_login
from workqueuejob.brokers.kafka.settings import KafkaConnection, KafkaSource
from workqueuejob.brokers.uri import BrokerAddress
from workqueuejob.contract.settings import WorkerSettings


def build_connection(
    source: KafkaSource, settings: WorkerSettings, environ: Environment
) -> KafkaConnection:
    """Return how to reach the cluster, secrets included."""
    login = with_login(BrokerAddress(host=""), environ)
    return KafkaConnection(
        bootstrap_servers=source.bootstrap_servers,
        sasl_mechanism=source.sasl_mechanism,
        username=login.username,
        password=login.password,
        tls=read_tls(settings, login, environ),
    )
