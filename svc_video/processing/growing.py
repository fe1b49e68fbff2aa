"""The playlists that grow while the first rendition is made, computed from rows alone: whoever writes them again writes the same.

growing.m3u8                       one rendition and the audio; does not change
720p/grows.m3u8 audio/grows.m3u8   RFC 8216 event playlists: segments are only added, until the last one ends them
"""

from __future__ import annotations

from dataclasses import dataclass

from svc_video.layout import GROWING_NAME
from svc_video.processing.results import PiecesResult, PlannedRendition
from svc_video.processing.rules import VideoJobs
from svc_video.processing.tables import AUDIO_KEY, FIRST, chunk_key

_AUDIO = "audio"
_MEDIA_NAME = "grows.m3u8"
_SECOND_US = 1_000_000
_TARGET_S = 3
"""Longer than any segment; it may not change while a playlist grows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Growing:
    """What of a clip can be played already: its beginning, without a gap."""

    rendition: PlannedRendition
    pictures: tuple[PiecesResult, ...]
    """Of the first chunks."""
    sound: PiecesResult | None
    """Of the whole clip; None without audio."""
    is_whole: bool
    """Nothing will be added."""

    def playlists(self) -> dict[str, str]:
        """Text of each playlist by its name; one that others name comes before them."""
        name, head = self.rendition.name, self.pictures[0]
        pictures = tuple(length for piece in self.pictures for length in piece.lengths_us)
        found = {f"{name}/{_MEDIA_NAME}": self._media(pictures)}
        codecs, peak_bps, group, sound = head.codec, head.peak_bps, "", ""
        if self.sound is not None:
            found[f"{_AUDIO}/{_MEDIA_NAME}"] = self._media(self._heard(self.sound.lengths_us, sum(pictures)))
            codecs, peak_bps, group = f"{codecs},{self.sound.codec}", peak_bps + self.sound.peak_bps, f',AUDIO="{_AUDIO}"'
            sound = f'#EXT-X-MEDIA:TYPE=AUDIO,URI="{_AUDIO}/{_MEDIA_NAME}",GROUP-ID="{_AUDIO}",NAME="original",DEFAULT=YES,AUTOSELECT=YES\n'
        found[GROWING_NAME] = (
            f"#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-START:TIME-OFFSET=0\n{sound}"
            f'#EXT-X-STREAM-INF:BANDWIDTH={peak_bps},CODECS="{codecs}",RESOLUTION={self.rendition.width}x{self.rendition.height},'
            f"FRAME-RATE={head.fps}.000{group},CLOSED-CAPTIONS=NONE\n{name}/{_MEDIA_NAME}\n"
        )
        return found

    def _heard(self, lengths_us: tuple[int, ...], until_us: int) -> tuple[int, ...]:
        """Segments of the sound that begin before the pictures end."""
        if self.is_whole:
            return lengths_us
        starts_us = [sum(lengths_us[:at]) for at in range(len(lengths_us))]
        return tuple(length for length, start_us in zip(lengths_us, starts_us, strict=True) if start_us < until_us)

    def _media(self, lengths_us: tuple[int, ...]) -> str:
        head = f"#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:{_TARGET_S}\n#EXT-X-PLAYLIST-TYPE:EVENT\n#EXT-X-START:TIME-OFFSET=0\n"
        segments = (f"#EXTINF:{length / _SECOND_US:.6f},\n{number}.m4s\n" for number, length in enumerate(lengths_us, start=1))
        return f'{head}#EXT-X-MAP:URI="init.mp4"\n{"".join(segments)}' + ("#EXT-X-ENDLIST\n" if self.is_whole else "")


def growing_of(video: VideoJobs) -> Growing | None:
    """What the creator can play of a clip whose first rendition is being made; None while that is nothing, and when the rendition plays itself."""
    probed = video.probed
    if probed is None or video.plays or not video.is_under_way:
        return None
    pictures: list[PiecesResult] = []
    for index in range(probed.chunks):
        piece = _pieces(video, chunk_key(FIRST, index))
        if piece is None:
            break
        pictures.append(piece)
    sound = _pieces(video, AUDIO_KEY) if probed.has_audio else None
    if not pictures or (probed.has_audio and sound is None):
        return None
    [rendition] = probed.of_group(FIRST)
    return Growing(rendition=rendition, pictures=tuple(pictures), sound=sound, is_whole=len(pictures) == probed.chunks)


def _pieces(video: VideoJobs, job_key: str) -> PiecesResult | None:
    """What a job told; None while it is not done, and of a worker that tells nothing."""
    text = video.jobs[job_key].result_json if video.is_done(job_key) else ""
    return PiecesResult.from_json(text) if text else None
