"""Reads the images of the work queue, one at a time, and writes to the topic `readings`."""

import json
import os

import joblib
from confluent_kafka import KafkaException, Producer

from workqueuejob.worker import Worker

TOPIC = "readings"

model = joblib.load("/app/model.joblib")
producer = Producer({"bootstrap.servers": os.environ["KAFKA"], "linger.ms": 0})


def write(key: str, reading: dict[str, int]) -> None:
    """Write one message, and wait until the broker has it; raise KafkaException."""
    errors = []
    producer.produce(
        TOPIC, key=key, value=json.dumps(reading), on_delivery=lambda error, _: errors.append(error)
    )
    producer.flush()
    if errors[0] is not None:
        raise KafkaException(errors[0])


for item in Worker():
    # The end of the block commits the item; after an exception it is tried again.
    with item:
        sample = json.loads(item.body)
        (digit,) = model.predict([sample["pixels"]])
        write(sample["letter"], {"read": int(digit), "written": sample["written"]})
