"""How a secret would look in a text, for tests that look for one where none may be."""

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote, quote_plus


@dataclass(frozen=True, slots=True)
class Writings:
    """How a secret would look wherever it showed."""

    secret: str

    def __iter__(self) -> Iterator[str]:
        encoded = {quote(self.secret), quote(self.secret, safe=""), quote_plus(self.secret)}
        yield from {self.secret, *encoded}
        for text in (self.secret, quote(self.secret, safe="")):
            yield from _in_base64(text.encode())

    def found_in(self, text: str) -> list[str]:
        return [written for written in self if written in text]


def _in_base64(text: bytes) -> Iterator[str]:
    """Yield what the base64 of anything with the text in it contains, wherever the text begins."""
    for before in range(3):
        # The outermost characters carry bits of the neighbours, too.
        first = -(-before * 8 // 6)
        for encode in (base64.standard_b64encode, base64.urlsafe_b64encode):
            yield encode(b"\0" * before + text).decode().rstrip("=")[first:-1]
