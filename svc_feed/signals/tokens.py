"""View tokens: proof that a clip was offered to a viewer, with the facts that judge what they report."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from svc_feed.signed import Signer

TYPE = "view+jwt"
LIFE_MS = 24 * 3_600_000
"""How long a token may be reported on, in milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewToken:
    """One offer of one clip."""

    token_id: str
    video_id: int
    creator_id: int
    duration_ms: int
    viewer_key: str
    surface: int
    session: str
    minted_at_ms: int
    slot: int = 0
    """Place among what was offered, from 0 over the session; over the call where there is none."""
    source_mask: int = 0
    model_version: str = ""
    selection_probability: float = 1.0
    category: int = 0
    hashtags: str = ""

    @property
    def expires_at_ms(self) -> int:
        """When reports on it end."""
        return self.minted_at_ms + LIFE_MS


def new_token_id() -> str:
    """An id that nobody can guess, 16 characters."""
    return secrets.token_urlsafe(12)


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A clip that is offered to a viewer."""

    video_id: int
    creator_id: int
    duration_ms: int
    surface: int
    slot: int
    category: int = 0
    hashtags: str = ""
    session: str = ""
    """The feed session; empty outside the feed."""
    source_mask: int = 0
    model_version: str = ""
    selection_probability: float = 1.0
    spare: bool = False
    """True for the reserve of a page."""
    token_id: str = field(default_factory=new_token_id)
    """Given when the same offer has to get the same token again."""
    offered_at_ms: int = 0
    """When the offer was made; 0 means now."""


class ViewTokens:
    """Mints and reads view tokens."""

    def __init__(self, *, signer: Signer) -> None:
        self._signer = signer

    def mint(self, token: ViewToken) -> str:
        """The signed form."""
        return self._signer.sign(
            TYPE,
            {
                "jti": token.token_id,
                "vid": str(token.video_id),
                "own": str(token.creator_id),
                "dur": token.duration_ms,
                "sub": token.viewer_key,
                "srf": token.surface,
                "ses": token.session,
                "slt": token.slot,
                "iat": token.minted_at_ms,
                "src": token.source_mask,
                "mod": token.model_version,
                "prb": round(token.selection_probability, 6),
                "cat": token.category,
                "tag": token.hashtags,
            },
        )

    def read(self, text: str) -> ViewToken | None:
        """The token, or None when it was not minted here."""
        claims = self._signer.read(TYPE, text)
        if claims is None:
            return None
        try:
            return ViewToken(
                token_id=claims["jti"],
                video_id=int(claims["vid"]),
                creator_id=int(claims["own"]),
                duration_ms=claims["dur"],
                viewer_key=claims["sub"],
                surface=claims["srf"],
                session=claims["ses"],
                slot=claims["slt"],
                minted_at_ms=claims["iat"],
                source_mask=claims["src"],
                model_version=claims["mod"],
                selection_probability=claims["prb"],
                category=claims["cat"],
                hashtags=claims["tag"],
            )
        except KeyError:
            # Signed by a release whose tokens said less.
            return None
