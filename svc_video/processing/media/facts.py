"""What the probe learned about one file: everything that later steps need, so that they never probe again."""

import dataclasses
import json
from fractions import Fraction
from typing import Any, Self


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AudioFacts:
    """The one audio stream that is used."""

    stream_index: int
    codec: str
    sample_rate: int
    channels: int
    start_us: int
    """When its first sample is presented, on the file's own clock; may be negative."""
    duration_ms: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Complexity:
    """What short samples of a clip told, encoded small: of the hardest of them, in whole numbers, so that every machine compares alike."""

    bits: int
    """For a thousand pixels, as every clip would be encoded."""
    lost: int
    """How much less alike (SSIM, in millionths) a coarser encoding is than that."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class MediaFacts:
    """Facts of an accepted file. Sizes are as a viewer sees them: rotated, with square pixels."""

    container: str
    """The demuxer that every later call is forced to: mov, matroska or avi."""
    size_bytes: int
    duration_ms: int
    """From the first picture to the end of the last one."""
    stream_index: int
    codec: str
    width: int
    height: int
    coded_width: int
    coded_height: int
    rotation: int
    """Clockwise degrees that the player has to turn the coded picture: 0, 90, 180 or 270."""
    fps: Fraction
    """Pictures per second: the average, or where long pauses pull that down what it is most of the time."""
    variable_frame_rate: bool
    longest_frame_ms: int
    """The longest time one picture stays; a seek has to go back this far to find the picture of a moment."""
    pixel_format: str
    bit_depth: int
    hdr: str
    """"" for standard range, else the transfer: pq or hlg."""
    color_matrix: str
    """bt709, bt601 or bt2020nc; guessed from the size where the file does not say."""
    color_range: str
    """tv or pc."""
    interlaced: bool
    time_base: Fraction
    """Seconds per tick of video_start_ticks."""
    video_start_ticks: int
    """The first picture's timestamp on the file's own clock: zero of the clip."""
    container_start_us: int
    """The earliest timestamp of any stream, on the file's own clock; ffmpeg counts seeks from here."""
    audio: AudioFacts | None
    """None: no audio stream; such a clip has no audio rendition."""
    complexity: Complexity | None = None
    """None: samples could not be taken, or nobody asked."""

    @property
    def has_audio(self) -> bool:
        return self.audio is not None

    @property
    def video_start_us(self) -> int:
        return round(self.video_start_ticks * self.time_base * 1_000_000)

    def to_json(self) -> str:
        """A stable text to keep in the job's row; `from_json` reads it back equal."""
        return json.dumps(dataclasses.asdict(self), default=str, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Self:
        fields: dict[str, Any] = json.loads(text)
        audio, complexity = fields.pop("audio"), fields.pop("complexity", None)
        fields["fps"] = Fraction(fields["fps"])
        fields["time_base"] = Fraction(fields["time_base"])
        return cls(
            audio=AudioFacts(**audio) if audio is not None else None,
            complexity=Complexity(**complexity) if complexity is not None else None,
            **fields,
        )
