"""`workqueuejob-operator`: from options and variables to Settings."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from workqueuejob.brokers.addresses import AllowedAddresses, parse_address_range
from workqueuejob.brokers.hosts import AllowedHosts, parse_host_pattern, read_search_domains
from workqueuejob.controller.logs import LogFormat, configure_logs
from workqueuejob.controller.run import run_operator
from workqueuejob.controller.settings import DEFAULT_WORKER_IMAGE, Settings, build_identity
from workqueuejob.names import is_installation
from workqueuejob.planning.rules.installations import Installation

_RESOLVER_CONFIGURATION = Path("/etc/resolv.conf")

ValueT = TypeVar("ValueT")

app = typer.Typer(
    name="workqueuejob-operator",
    help="Drains work queues with Jobs of the right size.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def callback() -> None:
    """Drains work queues with Jobs of the right size."""


@app.command()
def run(  # noqa: PLR0913, PLR0917 - an option is a parameter
    namespace: Annotated[
        list[str] | None,
        typer.Option(help="Watch this namespace; may be repeated. None: all namespaces."),
    ] = None,
    namespaces: Annotated[
        str, typer.Option(envvar="WQJ_NAMESPACES", help="The same, separated by commas.")
    ] = "",
    exclude_namespace: Annotated[
        list[str] | None,
        typer.Option(help="Watch all namespaces but this one; may be repeated."),
    ] = None,
    exclude_namespaces: Annotated[
        str,
        typer.Option(envvar="WQJ_EXCLUDE_NAMESPACES", help="The same, separated by commas."),
    ] = "",
    log_format: Annotated[
        LogFormat, typer.Option(envvar="WQJ_LOG_FORMAT", help="For programs or for people.")
    ] = LogFormat.JSON,
    log_level: Annotated[
        str, typer.Option(envvar="WQJ_LOG_LEVEL", help="debug, info, warning or error.")
    ] = "info",
    http_port: Annotated[
        int,
        typer.Option(envvar="WQJ_HTTP_PORT", help="Port of /healthz, /readyz and /metrics."),
    ] = 8080,
    poll_interval_seconds: Annotated[
        float,
        typer.Option(
            envvar="WQJ_POLL_INTERVAL_SECONDS",
            min=0.1,
            help="Seconds between two measurements of a queue.",
        ),
    ] = 0.8,
    worker_image: Annotated[
        str,
        typer.Option(envvar="WQJ_WORKER_IMAGE", help="Image that the worker is injected from."),
    ] = DEFAULT_WORKER_IMAGE,
    worker_image_pull_policy: Annotated[
        str | None,
        typer.Option(
            envvar="WQJ_WORKER_IMAGE_PULL_POLICY",
            help="Always, IfNotPresent or Never. None: as Kubernetes has it.",
        ),
    ] = None,
    allowed_host: Annotated[
        list[str] | None,
        typer.Option(
            help="Connect to no broker but this one: name, *.name or address, and :port; may be"
            " repeated. None: all.",
        ),
    ] = None,
    allowed_hosts: Annotated[
        str, typer.Option(envvar="WQJ_ALLOWED_HOSTS", help="The same, separated by commas.")
    ] = "",
    allowed_address: Annotated[
        list[str] | None,
        typer.Option(
            help="Connect to brokers at addresses of this range only, such as 10.0.0.0/8; may be"
            " repeated. None: all but loopback, link-local and the like.",
        ),
    ] = None,
    allowed_addresses: Annotated[
        str, typer.Option(envvar="WQJ_ALLOWED_ADDRESSES", help="The same, separated by commas.")
    ] = "",
    identity: Annotated[
        str | None,
        typer.Option(
            envvar="WQJ_IDENTITY",
            help="Who this process is to other replicas. None: host name and a random number.",
        ),
    ] = None,
    lease_namespace: Annotated[
        str,
        typer.Option(
            envvar="WQJ_LEASE_NAMESPACE", help="Where the Lease is by which one replica leads."
        ),
    ] = "default",
    lease_name: Annotated[
        str, typer.Option(envvar="WQJ_LEASE_NAME", help="The Lease's name.")
    ] = "workqueuejob",
    installation: Annotated[
        str | None,
        typer.Option(
            envvar="WQJ_INSTALLATION",
            help="The installation of the operator, as namespace/name, that this process is a"
            " replica of. None: the Lease's namespace and name.",
        ),
    ] = None,
    take_over_from: Annotated[
        list[str] | None,
        typer.Option(
            help="Go on with the runs of this installation, which does not serve these namespaces"
            " any more; may be repeated.",
        ),
    ] = None,
) -> None:
    """Run the operator, in a pod or with the current kubeconfig."""
    configure_logs(log_format=log_format, level=log_level)
    watched = tuple(namespace or ()) + _split(namespaces)
    excluded = tuple(exclude_namespace or ()) + _split(exclude_namespaces)
    if watched and excluded:
        raise typer.BadParameter(
            "--namespace names the only namespaces to watch; give one of the two options",
            param_hint="--exclude-namespace",
        )
    settings = Settings(
        namespaces=watched,
        excluded_namespaces=excluded,
        http_port=http_port,
        poll_interval_seconds=poll_interval_seconds,
        worker_image=worker_image,
        worker_image_pull_policy=worker_image_pull_policy,
        identity=identity or build_identity(),
        lease_namespace=lease_namespace,
        lease_name=lease_name,
        installation=_read_installation(
            installation or f"{lease_namespace}/{lease_name}", tuple(take_over_from or ())
        ),
        allowed_hosts=AllowedHosts(
            _read_each(
                "--allowed-host", parse_host_pattern, *(allowed_host or ()), *_split(allowed_hosts)
            ),
            AllowedAddresses(
                _read_each(
                    "--allowed-address",
                    parse_address_range,
                    *(allowed_address or ()),
                    *_split(allowed_addresses),
                )
            ),
            search_domains=_find_search_domains(),
        ),
    )
    asyncio.run(run_operator(settings))


def _split(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _read_each(option: str, parse: Callable[[str], ValueT], *texts: str) -> tuple[ValueT, ...]:
    try:
        return tuple(map(parse, texts))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from error


def _find_search_domains() -> tuple[str, ...]:
    """Return what the resolver appends to names; none where it has no configuration."""
    try:
        return read_search_domains(_RESOLVER_CONFIGURATION.read_text(errors="replace"))
    except OSError:
        return ()


def _read_installation(name: str, takes_over: tuple[str, ...]) -> Installation:
    for given, option in ((name, "--installation"), *((n, "--take-over-from") for n in takes_over)):
        if not is_installation(given):
            raise typer.BadParameter(
                f"{given!r} is not namespace/name, such as workqueuejob-system/workqueuejob",
                param_hint=option,
            )
    return Installation(name, takes_over=frozenset(takes_over) - {name})


def main() -> None:
    """Run the command line."""
    app()
