"""What `releases.toml` says of each release holds: its commit is there and has its version."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RELEASES = tomllib.loads((ROOT / "releases.toml").read_text())


def test_every_dated_section_of_the_changelog_is_a_release_and_every_release_has_one() -> None:
    dated = re.findall(r"^## \[(.+?)\] - (\S+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert dict(dated) == {name: str(release["date"]) for name, release in RELEASES.items()}


@pytest.mark.parametrize("version", RELEASES)
def test_commit_of_a_release_is_in_the_history_and_has_its_version(version: str) -> None:
    commit = RELEASES[version]["commit"]
    assert not git("merge-base", "--is-ancestor", commit, "HEAD")
    project = tomllib.loads(git("show", f"{commit}:pyproject.toml"))["project"]
    assert project["version"] == version


def test_version_in_the_making_is_not_released() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] not in RELEASES


def git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout
