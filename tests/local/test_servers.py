"""Which servers the contract suites run on, and what is installed for them."""

from pathlib import Path

import pytest

from dev.contract_versions import read_result
from dev.local.debian import SUITES, find_mirror, parse_sources
from dev.local.errors import PackagesUnavailable
from dev.local.layout import build_layout
from dev.local.servers import SERVERS, Server, ensure_server, find_root, find_server
from dev.servers.installation import CHOICE, Installation, find_installation

TARGETS = """\
https://other.test/node nodistro main
https://mirror.test/debian bookworm main
https://mirror.test/debian bookworm main
https://mirror.test/security bookworm-security main
"""
REPORT = '<testsuites><testsuite tests="9" failures="2" errors="1" skipped="{}"/></testsuites>'


def test_mirror_is_that_of_this_machines_own_suite() -> None:
    sources = parse_sources(TARGETS)
    assert len(sources) == 3
    assert find_mirror(sources) == "https://mirror.test/debian"
    assert find_mirror(sources[:1]) is None


def test_every_server_has_a_name_of_its_own_and_a_known_suite() -> None:
    assert len({server.name for server in SERVERS}) == len(SERVERS)
    assert {server.suite for server in SERVERS} <= set(SUITES)


def test_unknown_server_is_told_the_known_ones() -> None:
    with pytest.raises(PackagesUnavailable, match=r"'rabbitmq-5'.*rabbitmq-4\.3, redis-7\.0"):
        find_server("rabbitmq-5")


def test_servers_of_one_suite_share_a_folder(tmp_path: Path) -> None:
    layout = build_layout({"WQJ_CACHE_DIR": str(tmp_path)})
    roots = {server.suite: find_root(layout, server) for server in SERVERS}
    assert len(set(roots.values())) == len(roots)
    assert find_root(layout, find_server("redis-8.0")) == find_root(
        layout, find_server("valkey-8.1")
    )


@pytest.mark.parametrize(("version", "is_right"), [("4.3.6-1", True), ("4.30.0-1", False)])
def test_suite_that_has_another_version_by_now_is_refused(
    tmp_path: Path, version: str, is_right: bool
) -> None:
    server = find_server("rabbitmq-4.3")
    environment = {"WQJ_CACHE_DIR": str(tmp_path)}
    root = install(find_root(build_layout(environment), server), server, version)
    if is_right:
        assert ensure_server(build_layout(environment), server) == root
        chosen = find_installation("rabbitmq", environment | {CHOICE: "redis-8.0 rabbitmq-4.3"})
        assert chosen == Installation("rabbitmq", root)
    else:
        with pytest.raises(PackagesUnavailable, match=r"has rabbitmq 4\.30\.0, and not 4\.3;"):
            ensure_server(build_layout(environment), server)


def test_without_a_choice_the_machines_own_server_is_started(tmp_path: Path) -> None:
    own = find_installation("redis", {})
    assert own == Installation("redis")
    assert own.command("redis-server", "--help", directory=tmp_path) == ["redis-server", "--help"]


def test_skipped_test_is_no_success(tmp_path: Path) -> None:
    report, server = tmp_path / "report.xml", SERVERS[0]
    report.write_text(REPORT.format(1))
    result = read_result(report, server, version="3.10.8", seconds=1)
    assert (result.passed, result.failed, result.skipped) == (5, 3, 1)
    report.write_text('<testsuites><testsuite tests="2" skipped="1"/></testsuites>')
    assert not read_result(report, server, version="3.10.8", seconds=1).is_good
    report.write_text('<testsuites><testsuite tests="2" skipped="0"/></testsuites>')
    assert read_result(report, server, version="3.10.8", seconds=1).is_good


def test_run_without_a_report_is_no_success(tmp_path: Path) -> None:
    result = read_result(tmp_path / "none.xml", SERVERS[0], version="3.10.8", seconds=1)
    assert not result.is_good


def install(root: Path, server: Server, version: str) -> Path:
    """Write what dpkg keeps of one installed package."""
    database = root / "var/lib/dpkg"
    (database / "updates").mkdir(parents=True)
    (database / "info").mkdir()
    (database / "status").write_text(
        f"Package: {server.packages[0]}\nStatus: install ok installed\nArchitecture: all\n"
        f"Maintainer: nobody <nobody@mail.test>\nVersion: {version}\nDescription: a server\n"
    )
    return root
