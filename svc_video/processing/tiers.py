"""Which tier the uploads of a creator belong to, from what is known of the account; asking for it may fail and never holds an upload up."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from mesh import deadline
from mesh.errors import MeshError
from svc_video.creators import Creator, Trust
from svc_video.processing.tables import Tier

_log = logging.getLogger("clipmesh.video.processing")

LARGE_FOLLOWING = 10_000
"""Followers from which a verified creator belongs to the first tier."""
NEW_FOR_MS = 7 * 86_400_000
_ASK_S = 0.5

CreatorOf = Callable[[int], Awaitable[Creator | None]]
"""What is known of an account, None for nothing; may raise."""


def tier_of(creator: Creator | None) -> Tier:
    """The tier of a creator; one of whom nothing is known is regular, and a mark or followers do not outweigh strikes."""
    if creator is None or creator.trust is Trust.UNKNOWN:
        return Tier.REGULAR
    if creator.trust is Trust.LIMITED:
        return Tier.NEW
    if creator.verified:
        return Tier.LARGE if creator.followers >= LARGE_FOLLOWING else Tier.REGULAR
    return Tier.NEW if creator.trust is Trust.NEW or creator.account_age_ms < NEW_FOR_MS else Tier.REGULAR


async def tier_known_by(creator_of: CreatorOf, creator_id: int) -> Tier:
    """The tier of a creator by what `creator_of` answers in time."""
    try:
        with deadline.scope(_ASK_S):
            return tier_of(await creator_of(creator_id))
    except MeshError as error:
        _log.info("a creator's tier is not known", extra={"error_type": type(error).__name__})
        return Tier.REGULAR
