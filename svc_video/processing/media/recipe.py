"""What will be made of a clip: pure, so that every worker that sees the same facts makes the same bytes."""

from dataclasses import dataclass, replace
from enum import StrEnum
from fractions import Fraction

from svc_video import lengths
from svc_video.processing.media.facts import MediaFacts

SEGMENT_MS = lengths.SEGMENT_MS
MIN_CHUNK_MS = 10_000
LEAD_MS = 4_000
"""The first chunk of all but short clips: its creator waits for it, and it takes about as long as the audio beside it."""
FRAME_RATES = (24, 25, 30, 50, 60)
"""Rates for which two seconds are a whole number of pictures and every picture a whole number of samples at 48 kHz."""
AUDIO_RATE = 48_000
AUDIO_KBPS = 128

_REVISION = "5"
_FIRST_RUNG = 720
_RATE_CAPS_KBPS = {240: 400, 360: 800, 480: 1400, 720: 2800, 1080: 5000}
_CRF = 23
_CALM_BITS, _CALM_LOST = 40, 5_000
"""What samples of simple clips (cards, slow pans, talking heads) stay below by half, and hard ones (confetti, noise) exceed five times and more."""
_CALM_CRF, _CALM_CAP_PERCENT = 27, 50
"""Of calm clips: with a look ahead over a whole segment VMAF falls by about half a point, where bits fall by a tenth to two fifths."""
_FAST_MOTION_FPS = 30


class Codec(StrEnum):
    """How pictures are coded."""

    H264 = "h264"
    H265 = "h265"
    VP9 = "vp9"
    AV1 = "av1"


_FURTHER = {Codec.H265: (25, 75), Codec.VP9: (36, 75), Codec.AV1: (38, 65)}
"""Where the scale of each encoder shows about what x264 shows at its own, and the share of x264's rate cap that it gets, in percent."""
_FURTHER_STEP = {Codec.H265: 1, Codec.VP9: 1, Codec.AV1: 1}


class Group(StrEnum):
    """Renditions encoded together by one decode; FIRST makes the clip playable, FIRST and REST are its H.264 ladder, each other one has every rung
    in a further codec."""

    FIRST = "first"
    REST = "rest"
    H265 = "h265"
    VP9 = "vp9"
    AV1 = "av1"

    @property
    def codec(self) -> Codec:
        """How its pictures are coded."""
        return Codec.H264 if self in {Group.FIRST, Group.REST} else Codec(self.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendition:
    """One picture size of a clip."""

    name: str
    """The rung of the ladder: 240p, 360p, 480p, 720p or 1080p; in a further codec with its name, 720p-h265. Its number is the short side, unless the source
    is smaller."""
    group: Group
    width: int
    height: int
    crf: int
    """On the encoder's own scale."""
    max_kbps: int
    codec: Codec = Codec.H264
    calm: bool = False
    """Pictures follow from one another over whole segments: worth looking ahead for."""

    @property
    def peak_kbps(self) -> int:
        """No segment has more: what its time allows, and a whole buffer."""
        return self.max_kbps + self.buffer_kbits * 1000 // SEGMENT_MS

    @property
    def buffer_kbits(self) -> int:
        """How far the encoder may run ahead of its rate."""
        return self.max_kbps * 3 // 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """A piece of the clip between two points of the 2 s grid (the last one ends with the clip)."""

    index: int
    start_ms: int
    duration_ms: int
    start_frame: int
    frames: int
    """Pictures at the recipe's fps; every encoded chunk has exactly this many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """The whole plan of a clip."""

    version: str
    """Changes whenever the same source would give other bytes."""
    fps: int
    frames: int
    duration_ms: int
    renditions: tuple[Rendition, ...]
    """The first rendition first, then the others from large to small."""
    chunks: tuple[Chunk, ...]
    has_audio: bool

    @property
    def audio_peak_kbps(self) -> int:
        """No segment of the audio has more."""
        return AUDIO_KBPS * 3 // 2

    def of_group(self, group: Group) -> tuple[Rendition, ...]:
        """Renditions of one group, large to small; REST is empty where the source is tiny."""
        if group.codec is not Codec.H264:
            ladder = sorted(self.renditions, key=lambda rendition: rendition.width, reverse=True)
            return tuple(_recoded(rendition, group) for rendition in ladder)
        return tuple(rendition for rendition in self.renditions if rendition.group is group)

    def rendition(self, name: str) -> Rendition:
        """The rendition of that name; KeyError for one that this clip has not."""
        for rendition in (one for group in Group for one in self.of_group(group)):
            if rendition.name == name:
                return rendition
        raise KeyError(name)


def make_recipe(facts: MediaFacts, tools_version: str) -> Recipe:
    """The plan for these facts; equal arguments give equal plans on every machine."""
    fps = nearest_rate(facts.fps)
    # Half a picture more or less at the end is nothing; a clip never ends before its last full picture.
    frames = max(1, round(Fraction(facts.duration_ms * fps, 1000)))
    return Recipe(
        version=recipe_version(tools_version),
        fps=fps,
        frames=frames,
        duration_ms=frames * 1000 // fps,
        renditions=_ladder(facts.width, facts.height, fps, calm=_is_calm(facts)),
        chunks=_chunks(frames, fps),
        has_audio=facts.has_audio,
    )


def recipe_version(tools_version: str) -> str:
    """What every recipe made with these tools is named, whatever the clip."""
    return f"{_REVISION}+{tools_version}"


def nearest_rate(fps: Fraction) -> int:
    """The nearest of FRAME_RATES; of two equally near ones the faster."""
    return min(FRAME_RATES, key=lambda rate: (abs(rate - fps), -rate))


def _is_calm(facts: MediaFacts) -> bool:
    """Whether a clip can do with fewer bits than every clip gets; not when nothing is known of it."""
    found = facts.complexity
    return found is not None and found.bits <= _CALM_BITS and found.lost <= _CALM_LOST


def _ladder(width: int, height: int, fps: int, *, calm: bool) -> tuple[Rendition, ...]:
    source_short = min(width, height)
    rungs = [rung for rung in _RATE_CAPS_KBPS if rung <= source_short]
    first = min(_FIRST_RUNG, next((rung for rung in _RATE_CAPS_KBPS if rung >= source_short), _FIRST_RUNG))
    rest = sorted((rung for rung in rungs if rung != first), reverse=True)
    return tuple(_rendition(rung, Group.FIRST if rung == first else Group.REST, width, height, fps, calm=calm) for rung in (first, *rest))


def _rendition(rung: int, group: Group, width: int, height: int, fps: int, *, calm: bool) -> Rendition:
    source_short, source_long = min(width, height), max(width, height)
    short = min(rung, source_short) // 2 * 2
    scaled = Fraction(source_long * short, source_short * 2)
    # A source that keeps its size loses at most its odd row and column and gains nothing.
    long = (source_long // 2 if short >= source_short - 1 else round(scaled)) * 2
    cap = _RATE_CAPS_KBPS[rung] * (_CALM_CAP_PERCENT if calm else 100) // 100
    return Rendition(
        name=f"{rung}p",
        group=group,
        width=short if width <= height else long,
        height=long if width <= height else short,
        crf=_CALM_CRF if calm else _CRF,
        calm=calm,
        max_kbps=cap * 3 // 2 if fps > _FAST_MOTION_FPS else cap,
    )


def _recoded(rendition: Rendition, group: Group) -> Rendition:
    """The same picture at about the same quality in a further codec."""
    crf, share = _FURTHER[group.codec]
    return replace(
        rendition,
        name=f"{rendition.name}-{group.value}",
        group=group,
        codec=group.codec,
        crf=crf + (rendition.crf - _CRF) * _FURTHER_STEP[group.codec],
        max_kbps=rendition.max_kbps * share // 100,
    )


def _chunks(frames: int, fps: int) -> tuple[Chunk, ...]:
    """A short one first, then an even number of nearly equal ones of at least ten seconds each, so that two cores and more end together; two
    halves of a clip that is too short for that. The longer ones are at the end, where the clip's odd rest is."""
    segment_frames = SEGMENT_MS * fps // 1000
    segments, lead = -(-frames // segment_frames), LEAD_MS // SEGMENT_MS
    pairs = (frames - lead * segment_frames) * 1000 // fps // (2 * MIN_CHUNK_MS)
    usual, longer = divmod(segments - lead, 2 * pairs) if pairs else divmod(segments, 2)
    lengths = ([lead] if pairs else []) + [usual] * (2 * max(1, pairs) - longer) + [usual + 1] * longer
    chunks: list[Chunk] = []
    start = 0
    for length in lengths:
        count = min(length * segment_frames, frames - start)
        if not count:
            continue
        chunks.append(
            Chunk(index=len(chunks), start_ms=start * 1000 // fps, duration_ms=count * 1000 // fps, start_frame=start, frames=count)
        )
        start += count
    return tuple(chunks)
