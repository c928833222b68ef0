"""The error codes of librdkafka itself, under public names; brokers' codes are KafkaError's own.

They are part of librdkafka's interface. KafkaError spells them with an underscore to set them apart
from the codes of the protocol.
"""

from confluent_kafka import KafkaError

ALL_BROKERS_DOWN = KafkaError._ALL_BROKERS_DOWN
ASSIGNMENT_LOST = KafkaError._ASSIGNMENT_LOST
AUTHENTICATION = KafkaError._AUTHENTICATION
AUTO_OFFSET_RESET = KafkaError._AUTO_OFFSET_RESET
BAD_MSG = KafkaError._BAD_MSG
FAIL = KafkaError._FAIL
INVALID_ARG = KafkaError._INVALID_ARG
MAX_POLL_EXCEEDED = KafkaError._MAX_POLL_EXCEEDED
PARTITION_EOF = KafkaError._PARTITION_EOF
RESOLVE = KafkaError._RESOLVE
SSL = KafkaError._SSL
TIMED_OUT = KafkaError._TIMED_OUT
TRANSPORT = KafkaError._TRANSPORT
UNKNOWN_PARTITION = KafkaError._UNKNOWN_PARTITION
UNKNOWN_TOPIC = KafkaError._UNKNOWN_TOPIC
UNSUPPORTED_FEATURE = KafkaError._UNSUPPORTED_FEATURE
WAIT_COORD = KafkaError._WAIT_COORD
