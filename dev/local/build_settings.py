"""Mounts into a build what it needs of this machine to reach its registries.

That is the certificate bundle, pip's settings (environment and files), apt's network settings,
Java's certificates and Maven's settings. They may hold passwords, and as mounts they are not in
the image.
"""

import configparser
import os
from collections.abc import Mapping
from pathlib import Path

from dev.local.commands import run

HOST_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
# On a machine with Java, Debian makes it from the same certificates.
HOST_JAVA_BUNDLE = Path("/etc/ssl/certs/java/cacerts")
# Exists in every Debian image, so that a mount there leaves no new folder in the image.
TRUST_MOUNT = "/mnt"
BUNDLE = f"{TRUST_MOUNT}/ca-certificates.crt"
JAVA_BUNDLE = f"{TRUST_MOUNT}/cacerts"
PIP_CONFIG = "/etc/pip.conf"
APT_CONFIG = "/etc/apt/apt.conf.d/95local-build"
# pip's other options name files of this machine or change where it installs.
PIP_NETWORK_OPTIONS = frozenset(
    {
        "index-url",
        "extra-index-url",
        "trusted-host",
        "proxy",
        "timeout",
        "retries",
        "default-timeout",
    }
)
APT_NETWORK_OPTIONS = (
    "Acquire::http::",
    "Acquire::https::",
    "Acquire::ForceIPv",
    "Acquire::Check-Valid-Until ",
    "Acquire::Check-Date ",
    "Acquire::Retries ",
)


def write_build_settings(directory: Path, environment: Mapping[str, str] = os.environ) -> list[str]:
    """Return the options of a build; write its files below `directory`, readable by root only."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    trust = directory / "trust"
    trust.mkdir(exist_ok=True)
    mounts = [f"{trust}:{TRUST_MOUNT}:ro"]
    if HOST_BUNDLE.exists():
        (trust / HOST_BUNDLE.name).write_bytes(HOST_BUNDLE.read_bytes())
    settings = {
        PIP_CONFIG: render_pip_config(
            _read_pip_files(environment), environment, has_bundle=HOST_BUNDLE.exists()
        ),
        APT_CONFIG: render_apt_config(run(["apt-config", "dump"])),
    }
    for target, text in settings.items():
        if text:
            file = directory / Path(target).name
            file.touch(mode=0o600)
            file.write_text(text)
            mounts.append(f"{file}:{target}:ro")
    volumes = [word for mount in mounts for word in ("--volume", mount)]
    return [*volumes, "--build-arg", f"MAVEN_OPTS={lend_maven(trust, environment)}"]


def lend_maven(trust: Path, environment: Mapping[str, str]) -> str:
    """Copy Maven's files into the mount's folder; return the options with which it reads them."""
    # The mount is Maven's home. It is read-only, so the repository is elsewhere.
    options = [f"-Duser.home={TRUST_MOUNT}", "-Dmaven.repo.local=/tmp/maven"]
    settings = Path(environment.get("HOME") or "/root") / ".m2" / "settings.xml"
    if settings.exists():
        (trust / ".m2").mkdir(exist_ok=True)
        (trust / ".m2" / settings.name).write_bytes(settings.read_bytes())
    if HOST_JAVA_BUNDLE.exists():
        (trust / HOST_JAVA_BUNDLE.name).write_bytes(HOST_JAVA_BUNDLE.read_bytes())
        options.append(f"-Djavax.net.ssl.trustStore={JAVA_BUNDLE}")
    return " ".join(options)


def render_pip_config(
    files: Mapping[str, str], environment: Mapping[str, str], *, has_bundle: bool
) -> str:
    """Return pip's settings for a build; as in pip, variables PIP_… win over files."""
    options = dict(files)
    for name, value in environment.items():
        if name.startswith("PIP_"):
            options[name.removeprefix("PIP_").lower().replace("_", "-")] = value
    kept = {name: value for name, value in options.items() if name in PIP_NETWORK_OPTIONS}
    kept.setdefault("timeout", kept.pop("default-timeout", "60"))
    if has_bundle:
        kept["cert"] = BUNDLE
    # A percent sign in a password is not the start of an interpolation for pip.
    return "[global]\n" + "".join(
        f"{name} = {' '.join(value.split())}\n" for name, value in sorted(kept.items())
    )


def render_apt_config(dump: str) -> str:
    """Return the proxies, time-outs and date checks in the output of `apt-config dump`.

    Settings that name files of this machine are left out.
    """
    lines = (line for line in dump.splitlines() if line.startswith(APT_NETWORK_OPTIONS))
    kept = [
        line
        for line in lines
        if line.endswith('";') and not line.endswith('"";') and '"/' not in line
    ]
    return "\n".join(kept) + "\n" if kept else ""


def _read_pip_files(environment: Mapping[str, str]) -> dict[str, str]:
    home = Path(environment.get("HOME") or "/root")
    candidates = (
        Path(PIP_CONFIG),
        home / ".pip" / "pip.conf",
        home / ".config" / "pip" / "pip.conf",
    )
    parser = configparser.RawConfigParser()
    parser.read([*candidates, *filter(None, [environment.get("PIP_CONFIG_FILE")])])
    return dict(parser["global"]) if parser.has_section("global") else {}
