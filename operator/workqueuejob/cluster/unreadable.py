"""Notes which lists and watches the API server refuses, and says so in the log.

An operator that serves several namespaces can't read one of them after the namespace, or the
operator's role in it, is deleted. It goes on with the others, and tries that one after a pause.
"""

from collections.abc import Callable

import structlog
from yarl import URL

ALL_NAMESPACES = "*"

_MESSAGE_MOST_CHARACTERS = 300

_log = structlog.get_logger(__name__)

OnChange = Callable[[str, str, bool], None]
"""Called with namespace, resource, and whether it can be read, when that has changed."""


class Unreadable:
    """The kinds of objects that can't be read at present, and the namespaces of them."""

    def __init__(
        self,
        *,
        pause_seconds: float = 10.0,
        on_change: OnChange = lambda _namespace, _resource, _is_readable: None,
    ) -> None:
        """Prepare; pause_seconds: between two tries."""
        self.pause_seconds = pause_seconds
        self._on_change = on_change
        self._refused: set[tuple[str, bool]] = set()

    def has(self, url: URL) -> bool:
        """Return whether the last list of these objects was refused."""
        return (url.path, False) in self._refused

    def note(self, url: URL, status: int, answer: str) -> None:
        """Note a refusal; log the first one."""
        is_known = self._is_refused(url)
        self._refused.add(_key(url))
        if is_known:
            return
        namespace, resource = _read(url)
        _log.warning(
            "objects can't be read; what is known of them stays, and they are tried again",
            namespace=namespace,
            resource=resource,
            status=status,
            answer=answer[:_MESSAGE_MOST_CHARACTERS],
        )
        self._on_change(namespace, resource, False)

    def forget(self, url: URL) -> None:
        """Note that a list or a watch of these objects is not refused any more."""
        was_refused = _key(url) in self._refused
        self._refused.discard(_key(url))
        if was_refused and not self._is_refused(url):
            namespace, resource = _read(url)
            _log.info("objects can be read again", namespace=namespace, resource=resource)
            self._on_change(namespace, resource, True)

    def _is_refused(self, url: URL) -> bool:
        return any(path == url.path for path, _ in self._refused)


def _key(url: URL) -> tuple[str, bool]:
    """Return the path and whether it is a watch: a role may allow lists and not watches."""
    return url.path, "watch" in url.query


def _read(url: URL) -> tuple[str, str]:
    """Return namespace and resource of a list: `…/namespaces/shop/pods`, or `…/v1/pods`."""
    *_, kind, name, resource = url.parts
    return (name if kind == "namespaces" else ALL_NAMESPACES), resource
