"""Who is asking, as far as the video service cares."""

from __future__ import annotations

from dataclasses import dataclass

from clipmesh.common.v1 import viewer_pb2

from mesh.auth import current_viewer, has_role

_MODERATORS = frozenset({viewer_pb2.ROLE_MODERATOR})
_FROM_16 = frozenset({viewer_pb2.AGE_BAND_16_TO_17, viewer_pb2.AGE_BAND_ADULT})


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewer:
    """One person, or nobody in particular."""

    user_id: int = 0
    """0 means anonymous."""
    is_moderator: bool = False
    """Sees what waits for moderators or was refused."""
    is_under_16: bool = True
    """Also when nobody knows the age."""


def viewer_at_hand() -> Viewer:
    """The viewer behind the call at hand."""
    context = current_viewer()
    return Viewer(
        user_id=context.user_id,
        is_moderator=bool(context.user_id) and has_role(context, _MODERATORS),
        is_under_16=context.age_band not in _FROM_16,
    )
