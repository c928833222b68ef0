"""What the environment is made with, before anything is in it."""

import pytest

from dev.prepare import LOCK, pin_of

LOCKED = """\
u==1
uv==2.0 ; sys_platform == 'linux' \\
    --hash=sha256:aa \\
    --hash=sha256:bb
    # via something
uvloop==3 \\
    --hash=sha256:cc
"""


def test_pin_of_a_package_is_its_version_with_its_hashes_and_nobody_elses() -> None:
    pin = "uv==2.0 ; sys_platform == 'linux' \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n"
    assert pin_of("uv", LOCKED) == pin


def test_package_that_is_not_locked_is_named() -> None:
    with pytest.raises(ValueError, match=r"uvx is not in the lock file; run make lock"):
        pin_of("uvx", LOCKED)


def test_installer_is_locked() -> None:
    assert pin_of("uv", LOCK.read_text()).count("--hash=sha256:") > 1
