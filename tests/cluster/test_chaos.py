"""Operator, workers and brokers break at any moment: nothing is lost, and no Job is made twice.

The long runs, which break the node and the control plane as well, are those of `make chaos`.
"""

import os
import socket
from pathlib import Path

import pytest

from dev.environment import Cluster
from dev.local.processes import parse_stat
from tests.chaos.judge import judge
from tests.chaos.report import render
from tests.chaos.run import SMALL, perform
from tests.chaos.victims import Victim

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.disturbs_the_operator,
    # Beside other tests it waits for all of them to end.
    pytest.mark.timeout(600),
]

SEED = 11


@pytest.mark.nightly
@pytest.mark.usefixtures("operator_to_share")
def test_short_chaos_loses_nothing(cluster: Cluster, tmp_path: Path) -> None:
    if not cluster.is_local:
        pytest.skip("processes are killed and frozen on the local cluster only")
    evidence = perform(cluster, SMALL, seed=SEED, directory=tmp_path)

    verdict = judge(evidence, faults_wanted=SMALL.faults_wanted)

    assert verdict.violations == (), render(evidence, verdict)


def test_connections_of_a_filter_are_reset_and_no_others() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_server(("127.0.0.1", 0)) as other,
    ):
        port = server.getsockname()[1]
        with (
            socket.create_connection(server.getsockname()) as cut,
            socket.create_connection(other.getsockname()) as spared,
        ):
            accepted, _ = server.accept()
            also_accepted, _ = other.accept()
            with accepted, also_accepted:
                _, ticks = parse_stat(Path(f"/proc/{os.getpid()}/stat").read_text())
                assert Victim(os.getpid(), ticks, "self").cut(f"( sport = :{port} )") == 1
                with pytest.raises(ConnectionResetError):
                    cut.recv(1)
                spared.sendall(b"x")
                assert also_accepted.recv(1) == b"x"
