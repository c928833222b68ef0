"""The Kafka in the cluster, asked from a pod beside it.

A port-forward would not do: whoever asks is told to go on at the node's own address.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dev.environment import Cluster
from dev.workspaces.prepared import BROKER_NAMESPACE

Record = tuple[str, str]
"""Key and value."""

_PROGRAM = Path(__file__).with_name("kafka_client.py").read_text()


@dataclass(frozen=True, slots=True)
class Kafka:
    """The node, with an administrator's rights."""

    cluster: Cluster

    def create_topic(self, topic: str, *, partitions: int = 1, **settings: str) -> None:
        """Create a topic; settings of it with underscores for dots."""
        dotted = {name.replace("_", "."): value for name, value in settings.items()}
        self._ask("create_topic", topic=topic, partitions=partitions, settings=dotted)

    def produce(self, topic: str, records: Sequence[Record]) -> None:
        """Write records, each confirmed."""
        self._ask("produce", topic=topic, records=records)

    def produce_in_transactions(
        self, topic: str, transactions: Sequence[tuple[bool, Sequence[Record]]]
    ) -> None:
        """Write a transaction each: those that begin with False are aborted."""
        self._ask("produce_in_transactions", topic=topic, transactions=transactions)

    def read(self, topic: str) -> list[tuple[int, int, str, str]]:
        """Return partition, offset, key and value of all that can be read."""
        return [tuple(one) for one in self._ask("read", topic=topic)]

    def lag(self, topic: str, group: str) -> int:
        """Return the offsets that the group has not committed, markers and holes included."""
        positions = self._ask("read_positions", topic=topic, group=group)
        return sum(end - max(committed, 0) for committed, end in positions)

    def delete(self, prefix: str) -> None:
        """Delete the topics and groups whose names begin so, but for groups that have members."""
        self._ask("delete", prefix=prefix)

    def _ask(self, verb: str, **given: Any) -> Any:
        program = ("exec", "-i", "deployment/kafka-client", "--", "python3", "-c", _PROGRAM)
        asked: Mapping[str, Any] = {"verb": verb, **given}
        answer = self.cluster.kubectl("-n", BROKER_NAMESPACE, *program, stdin=json.dumps(asked))
        return json.loads(answer.stdout)
