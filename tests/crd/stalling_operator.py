"""Runs the operator, and stalls it on a signal: its event loop, or with it every thread.

A program of its own, because no code of the operator stalls on purpose.
"""

import argparse
import asyncio
import ctypes
import signal
import time

from workqueuejob.brokers.addresses import AllowedAddresses, parse_address_range
from workqueuejob.brokers.hosts import AllowedHosts
from workqueuejob.controller.logs import LogFormat, configure_logs
from workqueuejob.controller.run import run_operator
from workqueuejob.controller.settings import Settings

STALL_LOOP = signal.SIGUSR1
STALL_THREADS = signal.SIGUSR2


async def run(settings: Settings, *, stall_seconds: int) -> None:
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(STALL_LOOP, time.sleep, stall_seconds)
    # Functions of a PyDLL don't let Python's lock go.
    loop.add_signal_handler(STALL_THREADS, ctypes.PyDLL(None).sleep, stall_seconds)
    await run_operator(settings)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--http-port", type=int, required=True)
    parser.add_argument("--identity", required=True)
    parser.add_argument("--lease-namespace", required=True)
    parser.add_argument("--lease-name", required=True)
    parser.add_argument("--namespace", action="append", default=[])
    parser.add_argument("--allowed-address", action="append", default=[], type=parse_address_range)
    parser.add_argument("--stall-seconds", type=int, required=True)
    arguments = parser.parse_args()
    configure_logs(log_format=LogFormat.JSON, level="info")
    settings = Settings(
        namespaces=tuple(arguments.namespace),
        http_port=arguments.http_port,
        identity=arguments.identity,
        lease_namespace=arguments.lease_namespace,
        lease_name=arguments.lease_name,
        allowed_hosts=AllowedHosts(addresses=AllowedAddresses(tuple(arguments.allowed_address))),
    )
    asyncio.run(run(settings, stall_seconds=arguments.stall_seconds))


if __name__ == "__main__":
    main()
