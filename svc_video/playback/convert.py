"""Between the nouns of playback and the protos, one function each way."""

from __future__ import annotations

from clipmesh.video.v1 import playback_service_pb2 as pb2

from svc_video.playback.rules import Network, Playback
from svc_video.playback.tables import Revocation


def network_from_proto(network_class: int) -> Network:
    """The speed class; one that this code does not know is treated as unknown."""
    return Network(network_class) if network_class in {known.value for known in Network} else Network.UNSPECIFIED


def playback_to_proto(playback: Playback) -> pb2.Playback:
    """What a player needs, or the refusal."""
    return pb2.Playback(
        video_id=playback.video_id,
        refusal=pb2.PlaybackRefusal.ValueType(playback.refusal),
        master_playlist_path=playback.master_playlist_path,
        start_playlist_path=playback.start_playlist_path,
        dash_manifest_path=playback.dash_manifest_path,
        mp4_path=playback.mp4_path,
        growing_playlist_path=playback.growing_playlist_path,
        poster_path=playback.poster_path,
        preview_path=playback.preview_path,
        storyboard_path=playback.storyboard_path,
        waveform_path=playback.waveform_path,
        start_level=playback.start_level,
        expires_at_ms=playback.expires_at_ms,
        renditions=playback.renditions,
    )


def revocation_to_proto(revocation: Revocation) -> pb2.Revocation:
    """One epoch that rose."""
    return pb2.Revocation(video_id=revocation.video_id, epoch=revocation.epoch)
