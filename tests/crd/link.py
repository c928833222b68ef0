"""A way to the API server that can be made to swallow everything, as a broken network does."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import yaml

_CHUNK = 65536


class Link:
    """Passes TCP connections on to the API server of a kubeconfig until it is stalled."""

    def __init__(self, kubeconfig: Path, directory: Path) -> None:
        """Listen; `kubeconfig` of the link leads through it."""
        settings = yaml.safe_load(kubeconfig.read_text())
        cluster = settings["clusters"][0]["cluster"]
        target = urlsplit(cluster["server"])
        self._target = (target.hostname or "", target.port or 443)
        self._flowing = threading.Event()
        self._flowing.set()
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        cluster["server"] = f"https://127.0.0.1:{self._listener.getsockname()[1]}"
        self.kubeconfig = directory / "through-the-link"
        self.kubeconfig.write_text(yaml.safe_dump(settings))
        self._spawn(self._accept)

    def stall(self) -> None:
        """Answer nothing any more, and refuse nothing either."""
        self._flowing.clear()

    def close(self) -> None:
        """Break all connections."""
        self._flowing.set()
        for each in (self._listener, *self._sockets):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(self._target)
                self._sockets += [near, far]
                self._spawn(self._pump, near, far)
                self._spawn(self._pump, far, near)

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(_CHUNK):
                self._flowing.wait()
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    @staticmethod
    def _spawn(work: Callable[..., None], *arguments: object) -> None:
        threading.Thread(target=work, args=arguments, daemon=True).start()


@contextmanager
def running_link(kubeconfig: Path, directory: Path) -> Iterator[Link]:
    """Pass connections on until the context ends."""
    link = Link(kubeconfig, directory)
    try:
        yield link
    finally:
        link.close()
