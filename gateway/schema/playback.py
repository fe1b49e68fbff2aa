"""How a video plays: addresses of the media edge, or why there are none."""

from __future__ import annotations

import strawberry
from clipmesh.video.v1 import playback_service_pb2

from gateway.execution.fields import OfMessage, part
from gateway.schema.enums import PlaybackRefusal
from gateway.schema.scalars import DateTime, moment


@strawberry.type(description="What a player needs; paths are of this origin and end at expiresAt: ask again before.")
class Playback(OfMessage):
    message: strawberry.Private[playback_service_pb2.Playback]
    refusal: PlaybackRefusal | None = part(
        lambda playback: PlaybackRefusal(playback.refusal) if playback.refusal else None,
        description="Why there is nothing to play; null when the paths below are valid.",
    )
    master_playlist_url: str | None = part(lambda playback: playback.master_playlist_path or None, description="HLS with all renditions.")
    start_playlist_url: str | None = part(
        lambda playback: playback.start_playlist_path or None, description="HLS with the rendition to start with alone."
    )
    dash_manifest_url: str | None = part(lambda playback: playback.dash_manifest_path or None)
    mp4_url: str | None = part(lambda playback: playback.mp4_path or None, description="Fast-start MP4 of the first rendition.")
    growing_playlist_url: str | None = part(
        lambda playback: playback.growing_playlist_path or None,
        description="While the refusal is NOT_READY, for the clip's creator alone: HLS of what is made already, which grows until it is whole.",
    )
    poster_url: str | None = part(lambda playback: playback.poster_path or None)
    preview_url: str | None = part(lambda playback: playback.preview_path or None)
    storyboard_url: str | None = part(
        lambda playback: playback.storyboard_path or None,
        description="WebVTT: for each stretch of the clip a small picture, as a fragment of one sheet.",
    )
    waveform_url: str | None = part(
        lambda playback: playback.waveform_path or None,
        description="JSON: version 1, duration_ms, samples_per_second and at most 2,400 peaks of 0 to 255.",
    )
    start_level: int | None = part(
        lambda playback: playback.start_level or None, description="Short side of the rendition to start with, in pixels."
    )
    renditions: list[int] = part(lambda playback: list(playback.renditions), description="Short sides of what exists, ascending.")
    expires_at: DateTime | None = part(lambda playback: moment(playback.expires_at_ms))
