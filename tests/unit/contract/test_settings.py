"""A worker's settings, as operators and workers of different versions write and read them."""

import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from workqueuejob.brokers.kafka.settings import KafkaSource
from workqueuejob.brokers.rabbitmq.settings import RabbitMQSource
from workqueuejob.brokers.redis.settings import RedisSource
from workqueuejob.brokers.worker_settings import read_settings
from workqueuejob.contract.features import is_added
from workqueuejob.contract.probes import ProbeSettings
from workqueuejob.contract.retry import RetrySettings
from workqueuejob.contract.settings import (
    DeliverySettings,
    TLSChoice,
    WorkerSettings,
    write_settings,
)

ROOT = Path(__file__).parents[3]
FIRST = tomllib.loads((ROOT / "releases.toml").read_text())["0.1.0"]["commit"]
SOURCES: list[Any] = [
    RabbitMQSource(queue="job1", host="mq"),
    RedisSource(key="job2", host="redis", sentinel_addresses=("a:1",)),
    KafkaSource(bootstrap_servers=("a:9092",), topic="orders", consumer_group="billing"),
]
FULL = WorkerSettings(
    source=SOURCES[0],
    retry=RetrySettings(5, 2, 9, "dead"),
    tls=TLSChoice(server_name="mq.shop", verify=False),
    delivery=DeliverySettings("Environment", "FRUIT"),
    run="uid",
    quota=3,
    waits_for_first=True,
    grace_seconds=60,
    item_timeout_seconds=90,
    prefix_output=True,
)


@pytest.fixture(scope="module")
def first_release() -> Iterator[ModuleType]:
    """The settings of version 0.1.0."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("retry", "settings"):
            path = f"operator/workqueuejob/protocol/{name}.py"
            done = subprocess.run(
                ["git", "show", f"{FIRST}:{path}"], cwd=ROOT, capture_output=True, check=True
            )
            module = ModuleType(f"workqueuejob.protocol.{name}")
            patch.setitem(sys.modules, module.__name__, module)
            exec(done.stdout, module.__dict__)  # noqa: S102 - our own
        yield module


def test_settings_at_their_default_are_not_written() -> None:
    assert write_settings(WorkerSettings(source=SOURCES[0])) == {
        "WQJ_SETTINGS": '{"broker":"rabbitmq","source":{"queue":"job1","host":"mq"},'
        '"retry":{},"delivery":{}}'
    }


@pytest.mark.parametrize("source", SOURCES)
def test_first_release_reads_what_is_written_now(first_release: ModuleType, source: Any) -> None:
    probes = (ProbeSettings("livenessProbe", port=80),)
    written = write_settings(
        WorkerSettings(source, FULL.retry, quota=3, probes=probes, deadline_seconds=600)
    )
    found = first_release.read_settings(written["WQJ_SETTINGS"])
    assert (found.quota, found.idle_seconds, found.retry.max_attempts) == (3, 2.0, 5)
    assert {f.name: getattr(found.source, f.name) for f in fields(found.source)} == {
        f.name: getattr(source, f.name) for f in fields(source) if not is_added(f)
    }


@pytest.mark.parametrize("source", SOURCES)
def test_settings_of_the_first_release_are_read(first_release: ModuleType, source: Any) -> None:
    kind = getattr(first_release, type(source).__name__)
    known = {f.name: getattr(source, f.name) for f in fields(source) if not is_added(f)}
    text = first_release.write_settings(first_release.WorkerSettings(kind(**known), quota=3))
    assert read_settings({"WQJ_SETTINGS": text}) == WorkerSettings(source, quota=3)


@pytest.mark.parametrize(
    "kind", [WorkerSettings, RetrySettings, DeliverySettings, TLSChoice, *map(type, SOURCES)]
)
def test_fields_of_the_first_release_are_kept_with_their_defaults(
    first_release: ModuleType, kind: Any
) -> None:
    former = getattr(first_release, kind.__name__)
    kept = {f.name: f.default for f in fields(kind) if not is_added(f) and f.name != "lacks"}
    assert kept == {f.name: f.default for f in fields(former)}


@pytest.mark.parametrize("source", SOURCES)
def test_what_is_written_is_read_back(source: Any) -> None:
    settings = WorkerSettings(
        source, FULL.retry, probes=(ProbeSettings("startupProbe", command=("true",)),)
    )
    assert read_settings(write_settings(settings)) == WorkerSettings(
        source, FULL.retry, probes=settings.probes, lacks=()
    )
    assert read_settings(write_settings(FULL)) == FULL


def test_file_for_the_envelope_is_a_feature() -> None:
    asked = WorkerSettings(SOURCES[0], delivery=DeliverySettings(envelope_file=True))
    written = write_settings(asked)
    assert written.pop("WQJ_FEATURE_DELIVERY__ENVELOPE_FILE") == "true"
    assert written == write_settings(WorkerSettings(SOURCES[0]))


def test_signal_at_once_is_a_feature() -> None:
    written = write_settings(WorkerSettings(SOURCES[0], stop_signal="AtOnce"))
    assert written.pop("WQJ_FEATURE_STOP_SIGNAL") == '"AtOnce"'
    assert written == write_settings(WorkerSettings(SOURCES[0]))


def test_limits_and_meanings_of_failures_are_features() -> None:
    retry = RetrySettings(max_lost_attempts=3, permanent_exit_codes=(65, 66))
    written = write_settings(WorkerSettings(SOURCES[0], retry=retry))
    assert read_settings(written) == WorkerSettings(SOURCES[0], retry=retry, lacks=())
    assert written.pop("WQJ_FEATURE_RETRY__MAX_LOST_ATTEMPTS") == "3"
    assert written.pop("WQJ_FEATURE_RETRY__PERMANENT_EXIT_CODES") == "[65,66]"
    assert written == write_settings(WorkerSettings(SOURCES[0]))


def test_feature_that_a_worker_does_not_know_is_named_and_passed_over() -> None:
    later = {"WQJ_FEATURE_COLOUR": '"red"', "WQJ_FEATURE_RETRY__MAX_BOREDOM": "3"}
    found = read_settings({**write_settings(FULL), **later, "WQJ_FEATURE_DEADLINE_SECONDS": "60"})
    assert found.lacks == ("colour", "retry.max_boredom")
    assert (found.deadline_seconds, found.retry) == (60, FULL.retry)


def test_feature_with_an_impossible_value_is_refused() -> None:
    with pytest.raises(json.JSONDecodeError):
        read_settings({**write_settings(FULL), "WQJ_FEATURE_DEADLINE_SECONDS": "{"})
