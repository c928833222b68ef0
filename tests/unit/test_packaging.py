"""What the wheel and the images bring along."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

_NAME = re.compile(r"^([a-z0-9-]+)[=>]=\S+(?: ; (.*?))?(?: \\)?$", re.MULTILINE)


def test_wheel_alone_brings_nothing() -> None:
    assert PROJECT["dependencies"] == []


def test_worker_brings_the_brokers_clients_only() -> None:
    needed = PROJECT["optional-dependencies"]["worker"]

    assert {re.split(r"[<>=]", requirement)[0] for requirement in needed} == {"pika", "redis"}


def test_kafkas_client_is_asked_for_by_whoever_needs_it() -> None:
    needed = PROJECT["optional-dependencies"]["kafka"]

    assert {re.split(r"[<>=]", requirement)[0] for requirement in needed} == {"confluent-kafka"}


def test_workers_image_has_what_these_need_and_no_more() -> None:
    locked = dict(_NAME.findall((ROOT / "requirements-worker.lock").read_text()))

    # redis-py fills in for asyncio.timeout of older Pythons.
    assert locked == {
        "async-timeout": "python_full_version < '3.11.3'",
        "confluent-kafka": "",
        "pika": "",
        "redis": "",
    }


def test_both_images_have_the_same_versions_of_the_brokers_clients() -> None:
    worker, operator = (
        set(re.findall(r"^[a-z0-9-]+==\S+", (ROOT / name).read_text(), re.MULTILINE))
        for name in ("requirements-worker.lock", "requirements.lock")
    )

    assert worker <= operator
