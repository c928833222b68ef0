"""Sends a record with a header whose name is no UTF-8, as a producer in C can.

confluent-kafka's own producer takes names as text, so librdkafka is called as it is.
"""

import ctypes
from pathlib import Path

import confluent_kafka

_END, _TOPIC, _VALUE, _HEADER = 0, 1, 4, 9
_REASON_BYTES = 512


def produce_with_header(bootstrap: str, topic: str, body: bytes, *, name: bytes) -> None:
    """Send a record with this header, and wait until the broker has it."""
    library = _load()
    reason = ctypes.create_string_buffer(_REASON_BYTES)
    settings = ctypes.c_void_p(library.rd_kafka_conf_new())
    size = ctypes.c_size_t(_REASON_BYTES)
    library.rd_kafka_conf_set(settings, b"bootstrap.servers", bootstrap.encode(), reason, size)
    producer = ctypes.c_void_p(library.rd_kafka_new(0, settings, reason, size))
    refused = library.rd_kafka_producev(
        producer,
        _TOPIC, topic.encode(),
        _VALUE, body, ctypes.c_size_t(len(body)),
        _HEADER, name, b"v", ctypes.c_ssize_t(1),
        _END,
    )  # fmt: skip
    assert refused == 0
    assert library.rd_kafka_flush(producer, 10_000) == 0
    library.rd_kafka_destroy(producer)


def _load() -> ctypes.CDLL:
    folder = Path(confluent_kafka.__file__).parent.parent / "confluent_kafka.libs"
    (path,) = folder.glob("librdkafka-*")
    library = ctypes.CDLL(str(path))
    library.rd_kafka_conf_new.restype = ctypes.c_void_p
    library.rd_kafka_new.restype = ctypes.c_void_p
    return library
