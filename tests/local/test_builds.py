"""What a build depends on, and what it borrows from the machine."""

import os
import time
from pathlib import Path

import pytest
import yaml

from dev.local.binaries import (
    UNUSED_SECONDS,
    build_ldflags,
    find_kubernetes_version,
    remove_unused,
)
from dev.local.build_settings import lend_maven, render_apt_config, render_pip_config
from dev.local.buildah import find_stale, full_name
from dev.local.contents import hash_inputs, is_ignored, parse_ignore
from dev.local.fake_cluster import STAGES
from dev.local.layout import TOOLS_DIR
from dev.local.toolchain import parse_go_version


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("go version go1.26.8 linux/amd64", (1, 26, 8)),
        ("go version go1.27rc1 linux/amd64", (1, 27, 0)),
        ("go 1.26.0", (1, 26, 0)),
        ("go1.19", (1, 19, 0)),
    ],
)
def test_go_versions_are_read(text: str, version: tuple[int, int, int]) -> None:
    assert parse_go_version(text) == version


def test_programs_carry_the_version_of_the_module() -> None:
    version = find_kubernetes_version((TOOLS_DIR / "go.mod").read_text())
    major, minor, _ = version.removeprefix("v").split(".")
    flags = build_ldflags(version)
    assert f"gitVersion={version} " in flags
    assert f"gitMajor={major} " in flags
    assert flags.endswith(f"gitMinor={minor}")


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("workqueuejob/operator", "localhost/workqueuejob/operator:dev"),
        ("worker:1.2", "localhost/worker:1.2"),
        ("localhost/worker:1.2", "localhost/worker:1.2"),
        ("docker.io/library/redis:7", "docker.io/library/redis:7"),
    ],
)
def test_image_names_get_a_host_and_a_tag(name: str, full: str) -> None:
    assert full_name(name) == full


IGNORE = parse_ignore("# nothing but these\n*\n!operator\n!README.md\n**/*.py[co]\n")


@pytest.mark.parametrize(
    ("path", "ignored"),
    [
        ("README.md", False),
        ("operator/workqueuejob/names.py", False),
        ("operator/workqueuejob/names.pyc", True),
        ("docs/index.md", True),
    ],
)
def test_last_pattern_that_matches_decides(path: str, ignored: bool) -> None:
    assert is_ignored(path, IGNORE) is ignored


def test_only_what_the_image_is_made_of_changes_the_hash(tmp_path: Path) -> None:
    for name, text in (("Dockerfile", "FROM x"), (".dockerignore", "docs"), ("app.py", "1")):
        (tmp_path / name).write_text(text)
    (tmp_path / "docs").mkdir()
    before = hash_inputs(tmp_path, tmp_path / "Dockerfile", ("base",))
    (tmp_path / "docs" / "new.md").write_text("text")
    assert hash_inputs(tmp_path, tmp_path / "Dockerfile", ("base",)) == before
    assert hash_inputs(tmp_path, tmp_path / "Dockerfile", ("other base",)) != before
    (tmp_path / "app.py").write_text("2")
    assert hash_inputs(tmp_path, tmp_path / "Dockerfile", ("base",)) != before


def test_pip_is_told_of_the_network_and_not_of_this_machines_files() -> None:
    files = {"index-url": "https://mirror.invalid/simple", "target": "/opt/x"}
    environment = {
        "PIP_INDEX_URL": "https://other.invalid/simple",
        "PIP_CERT": "/etc/c",
        "HOME": "/",
    }
    assert render_pip_config(files, environment, has_bundle=True).splitlines() == [
        "[global]",
        "cert = /mnt/ca-certificates.crt",
        "index-url = https://other.invalid/simple",
        "timeout = 60",
    ]


def test_apt_is_told_of_proxies_and_not_of_this_machines_files() -> None:
    dump = (
        'Acquire "";\nAcquire::http "";\nAcquire::http::Proxy "http://proxy.invalid:3128";\n'
        'Acquire::https::CaInfo "/etc/ca.pem";\nAcquire::Check-Valid-Until "false";\nDir "/";\n'
    )
    assert render_apt_config(dump) == (
        'Acquire::http::Proxy "http://proxy.invalid:3128";\nAcquire::Check-Valid-Until "false";\n'
    )


def test_image_id_without_a_tag_is_stale() -> None:
    listing = (
        "REF TYPE DIGEST SIZE PLATFORMS LABELS\n"
        "localhost/a:dev oci sha256:new 1 MiB linux -\n"
        "sha256:aaa oci sha256:new 1 MiB linux -\n"
        "sha256:bbb oci sha256:old 1 MiB linux -\n"
    )
    assert find_stale(listing) == ["sha256:bbb"]


def test_maven_is_lent_this_machines_settings_where_nothing_of_them_stays(tmp_path: Path) -> None:
    home, trust = tmp_path / "home", tmp_path / "trust"
    trust.mkdir()
    options = lend_maven(trust, {"HOME": str(home)}).split()
    assert {"-Duser.home=/mnt", "-Dmaven.repo.local=/tmp/maven"} <= set(options)
    assert not (trust / ".m2").exists()
    (home / ".m2").mkdir(parents=True)
    (home / ".m2" / "settings.xml").write_text("<settings/>")
    assert lend_maven(trust, {"HOME": str(home)}).split() == options
    assert (trust / ".m2" / "settings.xml").read_text() == "<settings/>"


def test_programs_of_another_checkout_stay_until_nobody_has_used_them_for_a_week(
    tmp_path: Path,
) -> None:
    for name, unused_seconds in (("own", 0), ("other", UNUSED_SECONDS / 2), ("old", 2e6)):
        (tmp_path / name).mkdir()
        used_at = time.time() - unused_seconds
        os.utime(tmp_path / name, (used_at, used_at))
    remove_unused(tmp_path)
    assert {build.name for build in tmp_path.iterdir()} == {"own", "other"}


def test_kwok_has_a_stage_for_nodes_without_which_it_looks_at_no_pod() -> None:
    stages = [
        stage["spec"]["resourceRef"]["kind"] for stage in yaml.safe_load_all(STAGES.read_text())
    ]

    assert set(stages) == {"Node", "Pod"}
