"""What jobs tell: written by the worker, kept in the job's row, read by the planner and by every later worker."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

from svc_video.processing.codecs import CODECS, rendition_name
from svc_video.processing.errors import InvalidResult
from svc_video.processing.tables import FIRST, REST

MAX_RESULT_BYTES = 24 * 1024
"""A probe's result and the rows of every chunk it opens have to fit into one batch."""
MAX_FACTS_BYTES = 16 * 1024
MAX_CHUNKS = 64
MAX_HASHES = 64
MAX_CODEC_CHARACTERS = 40
MAX_PIECES = 400
_HASH_BYTES = 32
_CODEC = re.compile(r"[A-Za-z0-9.]{1,40}", re.ASCII)
_ONCE_PROBED = ("hashes_hex", "findings", "has_preview")
"""Fields that rows of earlier recipes have; what they told is made by a job of its own."""
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_FOLDER = re.compile(r"[0-9a-f]{0,32}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRendition:
    """One rendition that the recipe makes."""

    name: str
    group: str
    """first, rest or a further codec."""
    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeResult:
    """Facts of an accepted file and the outline of its recipe."""

    facts_json: str
    """MediaFacts of the media toolbox, as it reads them back."""
    source_sha256: str
    """Of the whole file that was probed, in hex."""
    recipe_version: str
    duration_ms: int
    width: int
    height: int
    has_audio: bool
    chunks: int
    renditions: tuple[PlannedRendition, ...]
    """The first rendition first."""
    has_waveform: bool = False
    """The audio job makes one."""
    folder: str = ""
    """Where under the video's prefix the renditions are published; chosen by the service, kept while a clip that plays is probed again. Empty: there."""

    def of_group(self, group: str) -> tuple[PlannedRendition, ...]:
        """Renditions of one group; rest is empty where the source is tiny, a further codec has every rung."""
        if group in CODECS:
            return tuple(replace(rendition, name=rendition_name(rendition.name, group), group=group) for rendition in self.renditions)
        return tuple(rendition for rendition in self.renditions if rendition.group == group)

    def goes_with(self, before: ProbeResult | None) -> bool:
        """Whether further renditions by this plan fit beside the first one of an earlier plan."""
        return before is not None and all(
            (
                before.source_sha256 == self.source_sha256,
                before.duration_ms == self.duration_ms,
                before.has_audio == self.has_audio,
                before.of_group(FIRST) == self.of_group(FIRST),
            )
        )

    def to_json(self) -> str:
        """A text that `from_json` reads back equal."""
        return json.dumps(asdict(self), separators=(",", ":"), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read a result; raises InvalidResult for anything that `to_json` of a checked result would not write."""
        if len(text.encode()) > MAX_RESULT_BYTES:
            raise InvalidResult(f"a result has at most {MAX_RESULT_BYTES} bytes")
        try:
            fields: dict[str, Any] = json.loads(text)
            for name in _ONCE_PROBED:
                fields.pop(name, None)
            result = cls(renditions=tuple(PlannedRendition(**rendition) for rendition in fields.pop("renditions")), **fields)
            result.check()
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise InvalidResult(f"the result of a probe cannot be read: {error}") from error
        return result

    def check(self) -> None:
        """ValueError for a result that no plan can follow."""
        groups = [rendition.group for rendition in self.renditions]
        if groups.count(FIRST) != 1 or groups[0] != FIRST or not set(groups) <= {FIRST, REST}:
            raise ValueError(f"groups of renditions {groups}: exactly one first, at the beginning")
        if len({rendition.name for rendition in self.renditions}) != len(groups):
            raise ValueError("two renditions have one name")
        for name in ("duration_ms", "width", "height", "chunks"):
            if not isinstance(getattr(self, name), int) or getattr(self, name) < 1:
                raise ValueError(f"{name} has to be a whole number from 1")
        if self.chunks > MAX_CHUNKS:
            raise ValueError(f"{self.chunks} chunks, at most {MAX_CHUNKS}")
        if not self.facts_json or not self.recipe_version:
            raise ValueError("facts and recipe version are needed")
        if not _SHA256.fullmatch(self.source_sha256):
            raise ValueError("source_sha256 has to be 64 hexadecimal digits")
        if not _FOLDER.fullmatch(self.folder):
            raise ValueError("folder has to be at most 32 hexadecimal digits")
        if len(self.facts_json.encode()) > MAX_FACTS_BYTES:
            raise ValueError(f"facts_json has more than {MAX_FACTS_BYTES} bytes")


@dataclass(frozen=True, slots=True, kw_only=True)
class PicturesResult:
    """What was seen of a clip, and which pictures of it there are beside the poster and the preview."""

    hashes_hex: tuple[str, ...] = ()
    """Perceptual hashes, the most telling first."""
    findings: tuple[tuple[str, float], ...] = ()
    """Name and score, 0 to 1, of what detectors found."""
    has_storyboard: bool = False

    @property
    def hashes(self) -> tuple[bytes, ...]:
        """The perceptual hashes as bytes."""
        return tuple(bytes.fromhex(text) for text in self.hashes_hex)

    def to_json(self) -> str:
        """A text that `from_json` reads back equal."""
        return json.dumps(asdict(self), separators=(",", ":"), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read a result; raises InvalidResult for anything that `to_json` of a sound result would not write."""
        if len(text.encode()) > MAX_RESULT_BYTES:
            raise InvalidResult(f"a result has at most {MAX_RESULT_BYTES} bytes")
        try:
            fields: dict[str, Any] = json.loads(text)
            findings = tuple((str(name), float(score)) for name, score in fields.pop("findings"))
            result = cls(findings=findings, hashes_hex=tuple(fields.pop("hashes_hex")), **fields)
            if len(result.hashes_hex) > MAX_HASHES or any(len(found) != _HASH_BYTES for found in result.hashes):
                raise ValueError(f"at most {MAX_HASHES} hashes of {_HASH_BYTES} bytes")
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise InvalidResult(f"the result of looking at a clip cannot be read: {error}") from error
        return result


@dataclass(frozen=True, slots=True, kw_only=True)
class PiecesResult:
    """What an audio job, or a chunk job of the first rendition, put where a playlist that grows finds it."""

    first: int
    """Number of its first segment, counted from 1 over the whole clip."""
    lengths_us: tuple[int, ...]
    """How long each segment lasts."""
    codec: str
    """As playlists name it."""
    peak_bps: int
    """No segment has more bits a second."""
    fps: int = 0
    """Pictures a second; 0 for sound."""

    def to_json(self) -> str:
        """A text that `from_json` reads back equal."""
        return json.dumps(asdict(self), separators=(",", ":"), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read a result; raises InvalidResult for anything that `to_json` of a sound result would not write."""
        if len(text.encode()) > MAX_RESULT_BYTES:
            raise InvalidResult(f"a result has at most {MAX_RESULT_BYTES} bytes")
        try:
            fields: dict[str, Any] = json.loads(text)
            result = cls(lengths_us=tuple(fields.pop("lengths_us")), **fields)
            numbers = (result.first, result.peak_bps, *result.lengths_us)
            if not 0 < len(result.lengths_us) <= MAX_PIECES or any(type(number) is not int or number < 1 for number in numbers):
                raise ValueError(f"1 to {MAX_PIECES} pieces, counted from 1, each with a length and a peak")
            if not _CODEC.fullmatch(result.codec) or type(result.fps) is not int or result.fps < 0:
                raise ValueError("a codec and a frame rate are needed")
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise InvalidResult(f"the pieces of a clip cannot be read: {error}") from error
        return result


@dataclass(frozen=True, slots=True, kw_only=True)
class PackagedRendition:
    """One rendition as it was published."""

    name: str
    codec: str
    """As playlists name it, for example avc1.64001f."""
    bitrate_bps: int
    """Of the picture, on average over the whole clip."""
    size_bytes: int
    """Of all its segments."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageResult:
    """What a package job published of its group."""

    renditions: tuple[PackagedRendition, ...]

    def to_json(self) -> str:
        """A text that `from_json` reads back equal."""
        return json.dumps(asdict(self), separators=(",", ":"), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read a result; raises InvalidResult for anything that `to_json` of a sound result would not write."""
        if len(text.encode()) > MAX_RESULT_BYTES:
            raise InvalidResult(f"a result has at most {MAX_RESULT_BYTES} bytes")
        try:
            fields: dict[str, Any] = json.loads(text)
            result = cls(renditions=tuple(PackagedRendition(**rendition) for rendition in fields.pop("renditions")), **fields)
            if not all(_is_sound(rendition) for rendition in result.renditions):
                raise ValueError("a rendition has a codec, a size and a bitrate")
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise InvalidResult(f"the result of a package cannot be read: {error}") from error
        return result

    def check_group(self, planned: Sequence[PlannedRendition]) -> None:
        """Raises InvalidResult unless these are the renditions of one planned group."""
        made, wanted = sorted(one.name for one in self.renditions), sorted(one.name for one in planned)
        if made != wanted:
            raise InvalidResult(f"renditions {made} were packaged, {wanted} were planned")


def _is_sound(rendition: PackagedRendition) -> bool:
    numbers = (rendition.bitrate_bps, rendition.size_bytes)
    return 0 < len(rendition.codec) <= MAX_CODEC_CHARACTERS and all(isinstance(number, int) and number > 0 for number in numbers)
