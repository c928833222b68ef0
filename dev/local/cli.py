"""The command line of the local cluster, which people and make targets call.

Progress goes to standard error, answers to standard output.
"""

import argparse
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from dev.local import bare_control_plane
from dev.local.base_image import BASE_IMAGE, ensure_base_image
from dev.local.binaries import ensure_binaries
from dev.local.cluster import bring_up, check_machine, prepare_images
from dev.local.console import say
from dev.local.errors import LocalClusterError
from dev.local.images import ImageRequest, build_image
from dev.local.layout import Layout, build_layout
from dev.local.lock import exclusive
from dev.local.packages import CERTIFICATE_PACKAGES, install_packages
from dev.local.status import print_status, show_logs
from dev.local.teardown import take_down

LOCK = Path("/run/lock/workqueuejob-local.lock")
# A lock of its own, so that `up` need not wait for a build of minutes.
IMAGES_LOCK = Path("/run/lock/workqueuejob-local-images.lock")

Action = Callable[[Layout, argparse.Namespace], int]


def main(arguments: list[str]) -> int:
    """Run a command and return its exit code; 1 after a failure, 130 after an interruption."""
    options = _build_parser().parse_args(arguments)
    action: Action = options.action
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        return action(build_layout(), options)
    except LocalClusterError as error:
        say(f"cluster: {error}")
        return 1
    except KeyboardInterrupt:
        say("cluster: interrupted; run the same command again to go on")
        return 130


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="cluster", description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    up = commands.add_parser("up", help="start the cluster, or repair it")
    up.set_defaults(action=_up)
    down = commands.add_parser("down", help="end it; images and programs stay")
    down.add_argument("--purge", action="store_true", help="remove images and logs too")
    down.set_defaults(action=_down)
    kubeconfig = commands.add_parser("kubeconfig", help="print the kubeconfig's path")
    kubeconfig.set_defaults(action=_kubeconfig)
    status = commands.add_parser(
        "status", help="what runs, and whether it is healthy (exit code 1 if not)"
    )
    status.set_defaults(action=_status)
    logs = commands.add_parser("logs", help="the end of every log, or all of one component's")
    logs.add_argument("component", nargs="?")
    logs.set_defaults(action=_logs)
    audit = commands.add_parser(
        "audit-log", help="print where the requests of service accounts are written"
    )
    audit.set_defaults(action=_audit_log)
    binaries = commands.add_parser(
        "binaries", help="build kubectl, helm, etcd, kube-apiserver …; print their directory"
    )
    binaries.set_defaults(action=_binaries)
    base = commands.add_parser(
        "base-image", help="make the Python base of local images; print its name"
    )
    base.set_defaults(action=_base_image)
    _add_build_image(
        commands.add_parser(
            "build-image", help="build a Dockerfile into the cluster; print its name"
        )
    )
    bare = commands.add_parser(
        "control-plane", help="etcd and an API server alone, on free ports; prints a kubeconfig"
    )
    bare.add_argument("verb", choices=("up", "down"))
    bare.add_argument(
        "--dir", type=Path, required=True, help="where its data, certificates and kubeconfig are"
    )
    bare.set_defaults(action=_control_plane)
    return parser


def _add_build_image(build: argparse.ArgumentParser) -> None:
    build.add_argument(
        "name", help="NAME[:TAG]; becomes localhost/NAME:TAG, the tag `dev` unless given"
    )
    build.add_argument("context", type=Path)
    build.add_argument("--file", type=Path, help="CONTEXT/Dockerfile unless given")
    build.add_argument(
        "--base", default=BASE_IMAGE, help="local image for the argument BASE_IMAGE (%(default)s)"
    )
    build.add_argument("--target", help="the Dockerfile's stage to build; the last unless given")
    build.add_argument("--build-arg", action="append", default=[], metavar="K=V")
    build.set_defaults(action=_build_image)


def _up(layout: Layout, _: argparse.Namespace) -> int:
    check_machine(layout)
    started = time.monotonic()
    with exclusive(LOCK):
        bring_up(layout)
    say(
        f"{time.monotonic() - started:7.1f}s  the cluster is up; "
        f"export KUBECONFIG={layout.kubeconfig}"
    )
    return 0


def _down(layout: Layout, options: argparse.Namespace) -> int:
    check_machine(layout)
    with exclusive(IMAGES_LOCK), exclusive(LOCK):
        take_down(layout, purge=options.purge)
    return 0


def _kubeconfig(layout: Layout, _: argparse.Namespace) -> int:
    print(layout.kubeconfig)
    return 0


def _status(layout: Layout, _: argparse.Namespace) -> int:
    return 0 if print_status(layout) else 1


def _logs(layout: Layout, options: argparse.Namespace) -> int:
    show_logs(layout, options.component)
    return 0


def _audit_log(layout: Layout, _: argparse.Namespace) -> int:
    print(layout.audit_log)
    return 0


def _base_image(layout: Layout, _: argparse.Namespace) -> int:
    check_machine(layout)
    with exclusive(IMAGES_LOCK):
        with exclusive(LOCK):
            prepare_images(layout)
        print(ensure_base_image(layout))
    return 0


def _build_image(layout: Layout, options: argparse.Namespace) -> int:
    check_machine(layout)
    dockerfile = options.file or options.context / "Dockerfile"
    request = ImageRequest(
        options.name,
        options.context.resolve(),
        dockerfile.resolve(),
        options.base,
        tuple(options.build_arg),
        options.target,
    )
    with exclusive(IMAGES_LOCK):
        with exclusive(LOCK):
            prepare_images(layout)
        print(build_image(layout, request))
    return 0


def _control_plane(layout: Layout, options: argparse.Namespace) -> int:
    directory: Path = options.dir.absolute()
    if options.verb == "down":
        bare_control_plane.take_down(directory)
        return 0
    install_packages(CERTIFICATE_PACKAGES, log=layout.cache / "packages.log")
    binaries = ensure_binaries(layout)
    with exclusive(directory / "lock"):
        print(bare_control_plane.bring_up(directory, binaries))
    return 0


def _binaries(layout: Layout, _: argparse.Namespace) -> int:
    print(ensure_binaries(layout))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
