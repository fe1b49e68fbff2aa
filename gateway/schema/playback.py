"""How a video plays: addresses of the media edge, or why there are none."""

from __future__ import annotations

from typing import Self

import strawberry
from clipmesh.video.v1 import playback_service_pb2

from gateway.schema.enums import PlaybackRefusal
from gateway.schema.scalars import DateTime, moment


@strawberry.type(description="What a player needs; paths are of this origin and end at expiresAt: ask again before.")
class Playback:
    refusal: PlaybackRefusal | None = strawberry.field(description="Why there is nothing to play; null when the paths below are valid.")
    master_playlist_url: str | None = strawberry.field(description="HLS with all renditions.")
    start_playlist_url: str | None = strawberry.field(description="HLS with the rendition to start with alone.")
    dash_manifest_url: str | None
    mp4_url: str | None = strawberry.field(description="Fast-start MP4 of the first rendition.")
    poster_url: str | None
    preview_url: str | None
    storyboard_url: str | None = strawberry.field(
        description="WebVTT: for each stretch of the clip a small picture, as a fragment of one sheet."
    )
    waveform_url: str | None = strawberry.field(
        description="JSON: version 1, duration_ms, samples_per_second and at most 2,400 peaks of 0 to 255."
    )
    start_level: int | None = strawberry.field(description="Short side of the rendition to start with, in pixels.")
    renditions: list[int] = strawberry.field(description="Short sides of what exists, ascending.")
    expires_at: DateTime | None

    @classmethod
    def of(cls, playback: playback_service_pb2.Playback) -> Self:
        """The type of a message."""
        return cls(
            refusal=PlaybackRefusal(playback.refusal) if playback.refusal else None,
            master_playlist_url=playback.master_playlist_path or None,
            start_playlist_url=playback.start_playlist_path or None,
            dash_manifest_url=playback.dash_manifest_path or None,
            mp4_url=playback.mp4_path or None,
            poster_url=playback.poster_path or None,
            preview_url=playback.preview_path or None,
            storyboard_url=playback.storyboard_path or None,
            waveform_url=playback.waveform_path or None,
            start_level=playback.start_level or None,
            renditions=list(playback.renditions),
            expires_at=moment(playback.expires_at_ms),
        )
