"""The rows of renditions: they follow what processing tells, each step before the video's own row takes it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from mesh.errors import Aborted
from svc_video.videos.store import VideoStore
from svc_video.videos.tables import Rendition, RenditionFacts, RenditionState

_ATTEMPTS = 8


class RenditionRows:
    """Moves the rows of one video together; every step may be told twice."""

    def __init__(self, *, store: VideoStore) -> None:
        self._store = store

    async def plan(self, video_id: int, renditions: Sequence[RenditionFacts]) -> None:
        """Note what the recipe makes; rows that stand already stay."""
        rows = [_row(video_id, one, RenditionState.PLANNED) for one in renditions]
        await self._change(video_id, lambda before: [row for row in rows if row.name not in before])

    async def ready(self, video_id: int, renditions: Sequence[RenditionFacts]) -> None:
        """Note what plays now."""
        rows = [_row(video_id, one, RenditionState.READY) for one in renditions]
        await self._change(
            video_id, lambda before: [replace(row, version=before[row.name].version if row.name in before else 0) for row in rows]
        )

    async def plan_again(self, video_id: int, *, but: Sequence[RenditionFacts]) -> None:
        """The clip was made once more elsewhere: all others than `but` are to be made there, too."""
        kept = {one.name for one in but}

        def planned(before: Mapping[str, Rendition]) -> list[Rendition]:
            return [replace(row, state=RenditionState.PLANNED) for row in before.values() if row.name not in kept]

        await self._change(video_id, planned)

    async def give_up(self, video_id: int) -> None:
        """Nothing more is made: what is not ready is missing."""

        def missing(before: Mapping[str, Rendition]) -> list[Rendition]:
            return [replace(row, state=RenditionState.MISSING) for row in before.values() if row.state is RenditionState.PLANNED]

        await self._change(video_id, missing)

    async def _change(self, video_id: int, decide: Callable[[Mapping[str, Rendition]], Iterable[Rendition]]) -> None:
        for _ in range(_ATTEMPTS):
            before = {row.name: row for row in await self._store.renditions_of(video_id)}
            after = [row for row in decide(before) if row != before.get(row.name)]
            if not after or await self._store.write_renditions(after):
                return
        raise Aborted("renditions change too fast; try again", video_id=video_id)


def _row(video_id: int, facts: RenditionFacts, state: RenditionState) -> Rendition:
    return Rendition(
        video_id=video_id,
        name=facts.name,
        state=state,
        width=facts.width,
        height=facts.height,
        codec=facts.codec,
        bitrate_bps=facts.bitrate_bps,
        size_bytes=facts.size_bytes,
    )
