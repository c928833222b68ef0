"""The files by which commands of the local cluster know of one another."""

import threading
from pathlib import Path

from dev.local.kubeconfig import write_private


def test_file_that_is_written_again_is_never_read_half(tmp_path: Path) -> None:
    # Several commands ask whose the cluster is while another one says so.
    path = tmp_path / "owner"
    write_private(path, "1" * 10_000)
    ended = threading.Event()

    def write() -> None:
        for number in range(500):
            write_private(path, str(number % 10) * 10_000)
        ended.set()

    writer = threading.Thread(target=write)
    writer.start()
    lengths = set()
    while not ended.is_set():
        lengths.add(len(path.read_text()))
    writer.join()
    assert lengths == {10_000}
