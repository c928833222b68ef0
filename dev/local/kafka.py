"""Downloads Kafka's jars with Maven, and keeps them by the hash of the file that names them.

Starts no broker: `dev.servers.kafka` does.
"""

import hashlib
import shutil
from pathlib import Path

from dev.local.commands import run
from dev.local.console import step
from dev.local.errors import CommandFailed, PackagesUnavailable
from dev.local.layout import SOURCE_DIR, Layout
from dev.local.lock import exclusive

KAFKA_PACKAGES = ("maven", "openjdk-17-jre-headless")
POM = SOURCE_DIR / "images" / "kafka" / "pom.xml"
COPY_DEPENDENCIES = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"


def ensure_kafka(layout: Layout) -> Path:
    """Return the directory of the jars, after their download if needed.

    Raises PackagesUnavailable.
    """
    store = layout.cache / "kafka"
    target = store / hashlib.sha256(POM.read_bytes()).hexdigest()[:16]
    if target.is_dir():
        return target
    with exclusive(layout.cache / "kafka.lock"):
        if not target.is_dir():
            store.mkdir(parents=True, exist_ok=True)
            _resolve(target, log=layout.cache / "kafka.log")
    return target


def _resolve(target: Path, *, log: Path) -> None:
    unfinished = target.with_suffix(".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    command = ["mvn", "--batch-mode", "--strict-checksums", "--file", str(POM), COPY_DEPENDENCIES]
    try:
        with step("resolve Kafka's jars with Maven", expect="about 15 seconds"):
            run([*command, f"-DoutputDirectory={unfinished}"], log=log)
    except CommandFailed as error:
        raise PackagesUnavailable(
            f"{error}\nall of it is in {log}; check that Maven can reach its repository"
        ) from error
    unfinished.rename(target)
