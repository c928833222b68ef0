"""What a broker's member of `spec.queue` says beside its fields."""

from typing import ClassVar

from workqueuejob.api.base import Model, Rule
from workqueuejob.api.tls import TLS


class BrokerQueue(Model):
    """A queue of one broker. Not every broker has connections, and so a field `tls`."""

    name_fields: ClassVar[tuple[str, ...]] = ()
    """The fields that may hold the queue's name, such as `list.key`; dead letters go elsewhere."""

    spec_rules: ClassVar[tuple[Rule, ...]] = ()
    """Rules over the spec as a whole, for this broker's part of it."""

    @property
    def default_dead_letter(self) -> str | None:
        """Where dead letters go when `retry.deadLetter` is not set; None where it must be set."""
        return None

    @property
    def encryption(self) -> TLS | None:
        """The field `tls`; None where it is not set or there is no such field."""
        return getattr(self, "tls", None)
