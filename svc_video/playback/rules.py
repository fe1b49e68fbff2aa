"""Pure decisions about playback: whether a video plays for a viewer, and at which level to start."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from svc_video.people import STRANGER, Relation
from svc_video.videos.actions import MediaState, PublicationState, RenditionFacts, Video, may_see, plays
from svc_video.viewers import Viewer


class Refusal(enum.IntEnum):
    """Why a video does not play for a viewer; the numbers are those of the proto."""

    NONE = 0
    NOT_FOUND = 1
    NOT_READY = 2
    PRIVATE = 3
    TAKEN_DOWN = 4
    REGION = 5
    AGE = 6


class Network(enum.IntEnum):
    """The speed class of the viewer's connection; the numbers are those of the proto."""

    UNSPECIFIED = 0
    SLOW = 1
    G3 = 2
    G4 = 3
    G5 = 4
    WIFI = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Playback:
    """What a player needs for one video, or why it gets nothing. Paths are of the media edge."""

    video_id: int
    refusal: Refusal = Refusal.NONE
    master_playlist_path: str = ""
    start_playlist_path: str = ""
    dash_manifest_path: str = ""
    mp4_path: str = ""
    growing_playlist_path: str = ""
    """Beside the refusal NOT_READY."""
    poster_path: str = ""
    preview_path: str = ""
    storyboard_path: str = ""
    waveform_path: str = ""
    start_level: int = 0
    expires_at_ms: int = 0
    renditions: tuple[int, ...] = ()


_WANTED = {Network.SLOW: 360, Network.G3: 480, Network.G4: 720, Network.G5: 1080, Network.WIFI: 1080}
_WANTED_SAVING = {Network.SLOW: 360, Network.G3: 360, Network.G4: 480, Network.G5: 720, Network.WIFI: 720}
_REFUSED = frozenset({PublicationState.REJECTED, PublicationState.TAKEN_DOWN, PublicationState.DELETED})
_SHOWN = frozenset({PublicationState.PUBLISHED, PublicationState.RESTRICTED})


def refusal_of(video: Video | None, viewer: Viewer, *, relation: Relation = STRANGER) -> Refusal:
    """Why a video does not play for a viewer; NONE when it does. `relation` is the viewer's to its creator.

    Whom a block parts from the creator hears what they would hear if the video never was.

    What was taken down plays for nobody but moderators, its creator included; what the gate refused was never shown and still plays for its
    creator. Of a video that never was public a stranger learns nothing; afterwards the answer says whether its creator hid it, it was taken down or
    the gate looks at it again.
    """
    if video is None or video.publication_state is PublicationState.DELETED:
        return Refusal.NOT_FOUND
    is_own = bool(viewer.user_id) and viewer.user_id == video.creator_id
    is_down = video.publication_state is PublicationState.TAKEN_DOWN and not viewer.is_moderator
    if relation.parted and not viewer.is_moderator:
        return Refusal.NOT_FOUND
    if not is_down and may_see(video, viewer_id=viewer.user_id, is_moderator=viewer.is_moderator, relation=relation):
        return Refusal.NONE if plays(video) else Refusal.NOT_READY
    was_public = bool(video.published_at_ms) and video.media_state is not MediaState.FAILED
    if not (is_own or was_public) or video.publication_state is PublicationState.REJECTED:
        return Refusal.NOT_FOUND
    if is_down:
        return Refusal.TAKEN_DOWN
    return Refusal.PRIVATE if video.publication_state in _SHOWN and plays(video) else Refusal.NOT_READY


def may_watch_growing(video: Video, viewer: Viewer) -> bool:
    """Whether a viewer may watch what there is of a clip that does not play yet: its creator may, while it is made and nobody refused it."""
    is_own = bool(viewer.user_id) and viewer.user_id == video.creator_id
    return is_own and video.media_state is MediaState.PROCESSING and video.publication_state not in _REFUSED


def start_rendition(renditions: Sequence[RenditionFacts], *, network: Network, save_data: bool) -> RenditionFacts:
    """The level to start with, of those that exist: 5G and WiFi 1080 (else 720), 4G and unknown 720, 3G 480, slower 360; one step less where the
    client asked to save data."""
    wanted = _wanted_level(network, save_data=save_data)
    ascending = sorted(renditions, key=lambda rendition: rendition.level)
    fitting = [rendition for rendition in ascending if rendition.level <= wanted]
    return fitting[-1] if fitting else ascending[0]


def lacks_level(video: Video, renditions: Sequence[RenditionFacts], *, network: Network, save_data: bool) -> bool:
    """True when a clip that is complete has but its first rendition, and the viewer's line asks for a smaller one, or for a larger one that the source
    can give."""
    if video.media_state is not MediaState.COMPLETE or len(renditions) != 1:
        return False
    wanted, level = _wanted_level(network, save_data=save_data), renditions[0].level
    return level > wanted or level < min(wanted, video.width, video.height)


def _wanted_level(network: Network, *, save_data: bool) -> int:
    return (_WANTED_SAVING if save_data else _WANTED)[network or Network.G4]
