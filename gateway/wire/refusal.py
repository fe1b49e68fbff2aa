"""What goes over the wire to who is turned away by no application."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """One answer, spelled when it is made: it is said thousands of times a second."""

    head: bytes
    """Status line and fields, each with its end of line; the empty line is not in it."""
    body: bytes
    whole: bytes = field(init=False)
    """As it is said on a connection that stays."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "whole", b"%b\r\n%b" % (self.head, self.body))

    def spelled(self, *, method: str, keep_alive: bool) -> bytes:
        """As it is said to this request."""
        if keep_alive and method != "HEAD":
            return self.whole
        closing = b"" if keep_alive else b"connection: close\r\n"
        return b"%b%b\r\n%b" % (self.head, closing, b"" if method == "HEAD" else self.body)
