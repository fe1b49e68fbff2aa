"""Who is watching, as the feed may know it."""

from __future__ import annotations

from dataclasses import dataclass

from clipmesh.common.v1 import viewer_pb2

from mesh.auth import current_viewer


@dataclass(frozen=True, slots=True)
class Watcher:
    """A viewer of one request."""

    user_id: int
    """0 for anonymous."""
    key: str
    """Whom tokens are bound to: the person, or the browser session of an anonymous viewer."""
    pace_key: str
    """Whose watching is paced as one: the person's, or all anonymous watching from one network. A browser session costs nothing to begin, a network
    does; viewers whom the gateway gave no network share one."""
    personal: bool
    """True when watch history may shape the feed: signed in and consented."""
    languages: tuple[str, ...]

    @property
    def history_id(self) -> int:
        """The id that watches are tied to; 0 without consent."""
        return self.user_id if self.personal else 0


def watcher_of(context: viewer_pb2.ViewerContext) -> Watcher:
    """The watcher that a viewer context describes."""
    consented = viewer_pb2.CONSENT_PURPOSE_PERSONALISATION in context.consents
    return Watcher(
        user_id=context.user_id,
        key=str(context.user_id) if context.user_id else f"s:{context.session_id}",
        pace_key=str(context.user_id) if context.user_id else f"a:{context.address_pseudonym}",
        personal=bool(context.user_id) and consented,
        languages=tuple(context.languages),
    )


def current_watcher() -> Watcher:
    """The watcher of the request at hand."""
    return watcher_of(current_viewer())
