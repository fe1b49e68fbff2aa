"""Cursors: they say what was played last, for whom, in which session."""

from __future__ import annotations

from dataclasses import dataclass

from svc_feed.foryou.errors import BadCursor, CursorExpired
from svc_feed.signed import Signer

TYPE = "cursor+jwt"
PURPOSE = "for-you"
LIFE_MS = 6 * 3_600_000
"""How long a session can be continued from a cursor, in milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """A place in a feed session."""

    viewer_key: str
    session_id: str
    page_id: str
    page_key: str
    """The cursor_key under which the page is kept."""
    index: int
    """Slot of the page that was played last, from 0; slots of the reserve come behind those of the page."""
    video_id: int
    generated_at_ms: int
    epoch: int = 0

    @property
    def key(self) -> str:
        """The cursor_key of the page that continues here."""
        return f"{self.page_id}:{self.index}"


class Cursors:
    """Signs and reads cursors."""

    def __init__(self, *, signer: Signer) -> None:
        self._signer = signer

    def sign(self, cursor: Cursor) -> str:
        """The signed form."""
        return self._signer.sign(
            TYPE,
            {
                "sub": cursor.viewer_key,
                "ses": cursor.session_id,
                "pag": cursor.page_id,
                "key": cursor.page_key,
                "idx": cursor.index,
                "vid": str(cursor.video_id),
                "iat": cursor.generated_at_ms,
                "epo": cursor.epoch,
                "pur": PURPOSE,
                "exp_ms": cursor.generated_at_ms + LIFE_MS,
            },
        )

    def read(self, text: str, *, viewer_key: str, now_ms: int) -> Cursor:
        """The cursor of this viewer. Raises BadCursor, CursorExpired."""
        claims = self._signer.read(TYPE, text)
        if claims is None or claims.get("pur") != PURPOSE or claims.get("sub") != viewer_key:
            raise BadCursor()
        try:
            cursor = Cursor(
                viewer_key=claims["sub"],
                session_id=claims["ses"],
                page_id=claims["pag"],
                page_key=claims["key"],
                index=claims["idx"],
                video_id=int(claims["vid"]),
                generated_at_ms=claims["iat"],
                epoch=claims["epo"],
            )
            expires_at_ms = claims["exp_ms"]
        except KeyError as missing:
            # Signed by a release whose cursors said less.
            raise CursorExpired() from missing
        if now_ms >= expires_at_ms:
            raise CursorExpired()
        return cursor
