"""The Redis in the cluster, reached from here by a port-forward."""

from collections.abc import Iterator
from contextlib import contextmanager

from redis.client import Redis

from dev.environment import Cluster

from .forwarding import forwarded_ports
from .prepared import BROKER_NAMESPACE

__all__ = ["Redis", "forwarded_redis"]


@contextmanager
def forwarded_redis(cluster: Cluster) -> Iterator[Redis]:
    """Yield a client over a forwarded port until the context ends."""
    with forwarded_ports(cluster, BROKER_NAMESPACE, "redis", 6379) as ports:
        client = Redis(port=ports[6379], decode_responses=True)
        try:
            yield client
        finally:
            client.close()
